package report

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/sampling"
)

const (
	megabyte = 1 << 20
	// minSlope is the shortest observation of a process whose memory slope means anything.
	minSlope = 2 * time.Minute
)

// usage returns what each service used, Chorus' own first.
func (r *Run) usage() []Usage {
	processes := map[string][]sampling.Sample{}
	for _, s := range r.Samples {
		processes[s.Instance] = append(processes[s.Instance], s)
	}
	type total struct {
		Usage

		memory, looks float64
		longest       time.Duration
	}
	services := map[string]*total{}
	end := r.Ended
	if len(r.Windows) > 0 {
		end = r.Windows[len(r.Windows)-1].To
	}
	for _, instance := range slices.Sorted(maps.Keys(processes)) {
		samples := processes[instance]
		first, last := samples[0], samples[len(samples)-1]
		key := fmt.Sprintf("%t %s", !first.Chorus, first.Service)
		u := services[key]
		if u == nil {
			u = &total{Usage: Usage{Service: first.Service, Chorus: first.Chorus}}
			services[key] = u
		}
		u.Processes++
		cpu := last.CPU
		if !last.Chorus { // it was there before the run, or its start isn't of interest
			cpu -= first.CPU
		}
		u.Cores += cpu / r.Ended.Sub(r.Began).Seconds()
		for _, s := range samples {
			u.memory, u.looks = u.memory+s.Memory/megabyte, u.looks+1
			u.MaxMB, u.Goroutines = max(u.MaxMB, s.Memory/megabyte), max(u.Goroutines, s.Goroutines)
		}
		measured := slices.DeleteFunc(samples, func(s sampling.Sample) bool { return s.At.Before(r.Measured) || s.At.After(end) })
		if len(measured) == 0 {
			continue
		}
		if d := measured[len(measured)-1].At.Sub(measured[0].At); d >= minSlope && d > u.longest {
			u.longest = d
			u.MemorySlope = slope(measured, func(s sampling.Sample) float64 { return s.Memory })
			u.GoroutinesSlope = slope(measured, func(s sampling.Sample) float64 { return s.Goroutines })
		}
	}
	all := make([]Usage, 0, len(services))
	for _, key := range slices.Sorted(maps.Keys(services)) {
		u := services[key]
		u.Cores, u.MeanMB, u.MaxMB = round(u.Cores, 3), round(u.memory/u.looks, 1), round(u.MaxMB, 1)
		all = append(all, u.Usage)
	}
	return all
}

// slope returns how fast values grow by least squares, in percent of their mean a
// minute; nil where there are none.
func slope(samples []sampling.Sample, value func(sampling.Sample) float64) *float64 {
	x := func(s sampling.Sample) float64 { return s.At.Sub(samples[0].At).Minutes() }
	n := float64(len(samples))
	var mx, my, sxy, sxx float64
	for _, s := range samples {
		mx, my = mx+x(s)/n, my+value(s)/n
	}
	for _, s := range samples {
		sxy += (x(s) - mx) * (value(s) - my)
		sxx += (x(s) - mx) * (x(s) - mx)
	}
	if sxx == 0 || my == 0 {
		return nil
	}
	return new(round(100*sxy/sxx/my, 3))
}

// growth adds the measures of the service of Chorus that grew most.
func growth(m map[string]float64, services []Usage) {
	for _, u := range services {
		if !u.Chorus {
			continue
		}
		for name, v := range map[string]*float64{
			"memory_max_mb": &u.MaxMB, "memory_slope_pct_per_min": u.MemorySlope, "goroutines_slope_pct_per_min": u.GoroutinesSlope,
		} {
			if old, known := m[name]; v != nil && (!known || *v > old) {
				m[name] = *v
			}
		}
	}
}
