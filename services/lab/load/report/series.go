package report

import (
	"maps"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/accounting"
)

// Charts of the page, in their order.
const (
	chartTurns   = "Turns a minute"
	chartLatency = "Due to delivered, ms"
	chartPlan    = "Due to planned, ms"
	chartOpen    = "Turns under way"
	chartCalls   = "Calls to Telegram a minute"
	chartMemory  = "Memory of a process, MB"
	chartCPU     = "CPU, cores of a service"
)

// bin is how long a step of the series is: so that there are some dozens.
func bin(length time.Duration) time.Duration {
	const wanted = 90
	for _, d := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second} {
		if length/d <= wanted {
			return d
		}
	}
	return time.Minute
}

// bins collects values by time.
type bins struct {
	began time.Time
	width time.Duration
	n     int
}

func (b bins) of(at time.Time) (int, bool) {
	i := int(at.Sub(b.began) / b.width)
	return i, !at.Before(b.began) && i < b.n
}

func (r *Run) series() Series {
	b := bins{began: r.Began, width: bin(r.Ended.Sub(r.Began))}
	b.n = int(r.Ended.Sub(r.Began)/b.width) + 1
	s := Series{BinSeconds: b.width.Seconds()}
	s.Lines = append(s.Lines, r.turnLines(b)...)
	s.Lines = append(s.Lines, r.latencyLines(b)...)
	s.Lines = append(s.Lines, r.openLine(b))
	s.Lines = append(s.Lines, r.callLines(b)...)
	s.Lines = append(s.Lines, r.usageLines(b)...)
	return s
}

// rate makes counts of bins rates a minute; the last bin may be a short one.
func (b bins) rate(chart, name string, counts []float64, end time.Time) Line {
	line := Line{Chart: chart, Name: name, Values: make([]*float64, len(counts))}
	for i, n := range counts {
		width := min(b.width, end.Sub(b.began.Add(time.Duration(i)*b.width)))
		if width < b.width/2 {
			continue
		}
		line.Values[i] = new(round(n/width.Minutes(), 2))
	}
	return line
}

func (r *Run) turnLines(b bins) []Line {
	planned, messages, reactions, fell, expired := make([]float64, b.n), make([]float64, b.n), make([]float64, b.n), make([]float64, b.n), make([]float64, b.n)
	for _, t := range r.Turns {
		if i, ok := b.of(t.Planned); ok {
			planned[i]++
		}
		i, ok := b.of(t.Closed)
		switch {
		case !ok:
		case spoken(t):
			messages[i]++
		case t.Outcome == accounting.Delivered:
			reactions[i]++
		case t.Outcome == accounting.FellBack:
			fell[i]++
		case t.Outcome == outcomeExpired:
			expired[i]++
		}
	}
	var lines []Line
	for _, l := range []struct {
		name   string
		counts []float64
	}{{"planned", planned}, {"messages", messages}, {"reactions", reactions}, {"fell back", fell}, {"expired", expired}} {
		lines = append(lines, b.rate(chartTurns, l.name, l.counts, r.Ended))
	}
	return lines
}

func (r *Run) latencyLines(b bins) []Line {
	var lines []Line
	for _, s := range stages() {
		chart := map[string]string{"end_to_end": chartLatency, "planning": chartPlan}[s.name]
		if chart == "" {
			continue
		}
		values := make([][]float64, b.n)
		for _, t := range r.Turns {
			d, took := s.took(t)
			if i, ok := b.of(t.Due); ok && took {
				values[i] = append(values[i], milliseconds(d))
			}
		}
		p50s, p99s := make([]*float64, b.n), make([]*float64, b.n)
		for i, v := range values {
			if len(v) > 0 {
				p50, _, p99, _ := ranks(v)
				p50s[i], p99s[i] = new(round(p50, 2)), new(round(p99, 2))
			}
		}
		lines = append(lines, Line{chart, "p50", p50s}, Line{chart, "p99", p99s})
	}
	return lines
}

func (r *Run) openLine(b bins) Line {
	line := Line{chartOpen, "open", make([]*float64, b.n)}
	for _, o := range r.Open {
		if i, ok := b.of(o.At); ok {
			line.Values[i] = new(float64(o.N))
		}
	}
	return line
}

func (r *Run) callLines(b bins) []Line {
	well, failed := make([]float64, b.n), make([]float64, b.n)
	for _, c := range r.Calls {
		i, ok := b.of(c.Time)
		switch {
		case !ok:
		case c.Failed():
			failed[i]++
		default:
			well[i]++
		}
	}
	return []Line{b.rate(chartCalls, "answered", well, r.Ended), b.rate(chartCalls, "failed", failed, r.Ended)}
}

// usageLines has, of each service, the memory of its largest process and the CPU
// of all together.
func (r *Run) usageLines(b bins) []Line {
	type use struct{ memory, cpu []*float64 }
	services := map[string]*use{}
	type last struct {
		at  time.Time
		cpu float64
	}
	before := map[string]last{}
	for _, s := range r.Samples {
		u := services[s.Service]
		if u == nil {
			u = &use{make([]*float64, b.n), make([]*float64, b.n)}
			services[s.Service] = u
		}
		prior, known := before[s.Instance]
		before[s.Instance] = last{s.At, s.CPU}
		i, ok := b.of(s.At)
		if !ok {
			continue
		}
		if megabytes := round(s.Memory/megabyte, 2); u.memory[i] == nil || *u.memory[i] < megabytes {
			u.memory[i] = new(megabytes)
		}
		if !known {
			continue
		}
		if u.cpu[i] == nil {
			u.cpu[i] = new(float64)
		}
		*u.cpu[i] += (s.CPU - prior.cpu) / b.width.Seconds()
	}
	var memory, cpu []Line
	for _, service := range slices.Sorted(maps.Keys(services)) {
		for _, v := range services[service].cpu {
			if v != nil {
				*v = round(max(0, *v), 3)
			}
		}
		memory = append(memory, Line{chartMemory, service, services[service].memory})
		cpu = append(cpu, Line{chartCPU, service, services[service].cpu})
	}
	return slices.Concat(memory, cpu)
}
