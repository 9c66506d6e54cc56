package report

import (
	"math"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/accounting"
)

const (
	outcomeExpired  = "expired"
	outcomeRejected = "rejected"
	outcomePassed   = "passed"
	outcomeDead     = "dead"
	outcomeOpen     = "open"
)

// busiest is the stretch of time in which a peak is looked for.
const busiest = 10 * time.Second

func within(windows []Window, at time.Time) bool {
	return slices.ContainsFunc(windows, func(w Window) bool { return !at.Before(w.From) && at.Before(w.To) })
}

// measure computes the measures of some windows. What there is nothing of is left
// out.
func (r *Run) measure(windows []Window) map[string]float64 {
	m := map[string]float64{}
	var length time.Duration
	for _, w := range windows {
		length += w.To.Sub(w.From)
	}
	if length <= 0 {
		return m
	}
	r.measureTurns(m, windows, length.Minutes())
	r.measureCalls(m, windows, length.Minutes())
	for name, v := range m {
		m[name] = round(v, 6)
	}
	return m
}

func (r *Run) measureTurns(m map[string]float64, windows []Window, minutes float64) {
	var planned, meant, messages, reactions, expired, unknown float64
	latencies := map[string][]float64{}
	for _, t := range r.Turns {
		if within(windows, t.Planned) {
			planned++
		}
		if !within(windows, t.Due) {
			continue
		}
		reaction := t.Kind == accounting.Reaction
		// A text that the guard rejected was not due for delivery, because texts written
		// without a model repeat themselves in the end. The same holds if the writer passed.
		if unsaid := t.Outcome == outcomePassed || t.Outcome == outcomeRejected && t.Written.IsZero(); !reaction && !unsaid {
			meant++
		}
		switch {
		case reaction && (t.Outcome == accounting.Delivered || t.Outcome == accounting.FellBack):
			reactions++
		case t.Outcome == accounting.Delivered:
			messages++
		case t.Outcome == outcomeExpired:
			expired++
		case t.Outcome == accounting.Unknown:
			unknown++
		}
		addLatencies(latencies, t)
	}
	m["turns_per_minute"] = planned / minutes
	m["messages_per_minute"] = messages / minutes
	m["reactions_per_minute"] = reactions / minutes
	m["expired_per_minute"] = expired / minutes
	m["unknown"] = unknown
	if meant > 0 {
		m["delivered_share"] = messages / meant
	}
	for name, values := range latencies {
		slices.Sort(values)
		for suffix, share := range map[string]float64{"_p50_ms": 0.5, "_p90_ms": 0.9, "_p99_ms": 0.99, "_max_ms": 1} {
			// Nearest rank: always a value that occurred.
			m[name+suffix] = values[int(math.Ceil(share*float64(len(values))))-1]
		}
	}
}

// addLatencies adds how long the parts of a turn's way took, in milliseconds.
func addLatencies(latencies map[string][]float64, t accounting.Turn) {
	add := func(name string, from, to time.Time) {
		if !from.IsZero() && !to.IsZero() {
			latencies[name] = append(latencies[name], float64(to.Sub(from))/float64(time.Millisecond))
		}
	}
	add("planning", t.Due, t.Planned)
	if t.Kind == accounting.Reaction {
		return
	}
	add("generating", t.Planned, t.Written)
	if t.Outcome == accounting.Delivered {
		add("sending", t.Written, t.Closed)
		add("end_to_end", t.Due, t.Closed)
	}
}

func (r *Run) measureCalls(m map[string]float64, windows []Window, minutes float64) {
	var calls, failed float64
	var sent []time.Time
	for _, c := range r.Calls {
		if !within(windows, c.Time) {
			continue
		}
		calls++
		if c.Failed() {
			failed++
		}
		if c.Sent() {
			sent = append(sent, c.Time)
		}
	}
	m["calls_per_minute"] = calls / minutes
	m["errors_per_minute"] = failed / minutes
	m["peak_per_minute"] = float64(peak(sent)) / busiest.Minutes()
	m["first_message_seconds"] = firstAfter(windows, sent)
	if len(sent) == 0 {
		return
	}
	if took := sent[len(sent)-1].Sub(sent[0]); took > 0 {
		m["drain_per_second"] = float64(len(sent)-1) / took.Seconds()
	}
}

// peak is the most events in any busiest stretch of sorted times.
func peak(sorted []time.Time) int {
	longest, from := 0, 0
	for i, at := range sorted {
		for at.Sub(sorted[from]) >= busiest {
			from++
		}
		longest = max(longest, i-from+1)
	}
	return longest
}

// firstAfter returns how long the first event of a window takes, in seconds: in the
// window where that is longest, and the whole window where none comes in it.
func firstAfter(windows []Window, sorted []time.Time) float64 {
	longest := 0.0
	for _, w := range windows {
		first := w.To
		if i := slices.IndexFunc(sorted, func(at time.Time) bool { return within([]Window{w}, at) }); i >= 0 {
			first = sorted[i]
		}
		longest = max(longest, first.Sub(w.From).Seconds())
	}
	return longest
}

// round keeps figures readable: more digits are noise.
func round(v float64, digits int) float64 {
	f := math.Pow10(digits)
	return math.Round(v*f) / f
}
