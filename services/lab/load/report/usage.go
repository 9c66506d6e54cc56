package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/sampling"
)

const (
	megabyte = 1 << 20
	// leastSlope is how long a process must have been looked at for a slope of its
	// memory to mean anything.
	leastSlope = 2 * time.Minute
)

// usage is what each service used. Of the slopes, the warm-up is left out.
func (r *Run) usage() []Usage {
	byService := map[string]map[string][]sampling.Sample{}
	for _, s := range r.Samples {
		if byService[s.Service] == nil {
			byService[s.Service] = map[string][]sampling.Sample{}
		}
		byService[s.Service][s.Instance] = append(byService[s.Service][s.Instance], s)
	}
	var all []Usage
	for service, instances := range byService {
		u := Usage{Service: service, Processes: len(instances)}
		var longest []sampling.Sample
		var sum, n float64
		for _, samples := range instances {
			last := samples[len(samples)-1]
			u.Chorus = last.Chorus
			u.CPUSeconds += last.CPU
			if !last.Chorus { // it was there before the run, or its start isn't of interest
				u.CPUSeconds -= samples[0].CPU
			}
			for _, s := range samples {
				sum, n = sum+s.Memory, n+1
				u.MostMB = max(u.MostMB, s.Memory/megabyte)
				u.Goroutines = max(u.Goroutines, s.Goroutines)
			}
			if after := r.afterWarmUp(samples); span(after) > span(longest) {
				longest = after
			}
		}
		u.MeanMB, u.MostMB = round(sum/n/megabyte, 1), round(u.MostMB, 1)
		u.CPUSeconds = round(u.CPUSeconds, 2)
		u.Cores = round(u.CPUSeconds/r.Ended.Sub(r.Began).Seconds(), 3)
		if span(longest) >= leastSlope {
			u.MemorySlope = new(round(slope(points(longest, func(s sampling.Sample) float64 { return s.Memory })), 3))
			if u.Goroutines > 0 {
				u.GoroutinesSlope = new(round(slope(points(longest, func(s sampling.Sample) float64 { return s.Goroutines })), 3))
			}
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b Usage) int {
		return cmp.Or(boolRank(b.Chorus)-boolRank(a.Chorus), cmp.Compare(a.Service, b.Service))
	})
	return all
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// afterWarmUp are the samples of the measured time.
func (r *Run) afterWarmUp(samples []sampling.Sample) []sampling.Sample {
	end := r.Ended
	if len(r.Windows) > 0 {
		end = r.Windows[len(r.Windows)-1].To
	}
	return slices.DeleteFunc(slices.Clone(samples), func(s sampling.Sample) bool { return s.At.Before(r.Measured) || s.At.After(end) })
}

func span(samples []sampling.Sample) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	return samples[len(samples)-1].At.Sub(samples[0].At)
}

func points(samples []sampling.Sample, value func(sampling.Sample) float64) []point {
	out := make([]point, len(samples))
	for i, s := range samples {
		out[i] = point{s.At.Sub(samples[0].At).Minutes(), value(s)}
	}
	return out
}
