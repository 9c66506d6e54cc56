package report

import (
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/accounting"
)

// busiest is the stretch of time in which a peak is looked for.
const busiest = 10 * time.Second

// stages are the parts of a turn's way.
func stages() []stage {
	return []stage{
		{"planning", "due to planned", func(t accounting.Turn) (time.Time, time.Time) { return t.Due, t.Planned }},
		{"generating", "planned to written", func(t accounting.Turn) (time.Time, time.Time) {
			if t.Kind == accounting.Reaction {
				return time.Time{}, time.Time{}
			}
			return t.Planned, t.Written
		}},
		{"sending", "written to delivered, typing included", func(t accounting.Turn) (time.Time, time.Time) {
			if !spoken(t) {
				return time.Time{}, time.Time{}
			}
			return t.Written, t.Closed
		}},
		{"end_to_end", "due to delivered", func(t accounting.Turn) (time.Time, time.Time) {
			if !spoken(t) {
				return time.Time{}, time.Time{}
			}
			return t.Due, t.Closed
		}},
	}
}

// stage is a part of a turn's way: from one time to another; zero times are of a
// turn that did not come that way.
type stage struct {
	name, doc string
	of        func(accounting.Turn) (from, to time.Time)
}

func (s stage) took(t accounting.Turn) (time.Duration, bool) {
	from, to := s.of(t)
	return to.Sub(from), !from.IsZero() && !to.IsZero()
}

// spoken tells whether a turn is a message or a reply that was delivered.
func spoken(t accounting.Turn) bool {
	return t.Kind != accounting.Reaction && t.Outcome == accounting.Delivered
}

// unsaid tells whether the guard let a turn have no text. Texts that are made
// without a model repeat themselves in the end, whatever else is tried.
func unsaid(t accounting.Turn) bool { return t.Outcome == outcomeRejected && t.Written.IsZero() }

// measure computes the measures of some windows. What there is nothing of is left
// out.
func (r *Run) measure(windows []Window) map[string]float64 {
	m := map[string]float64{}
	per := minutes(windows)
	if per <= 0 {
		return m
	}
	r.measureTurns(m, windows, per)
	r.measureCalls(m, windows, per)
	for _, s := range stages() {
		var took []float64
		for _, t := range r.Turns {
			if d, ok := s.took(t); ok && within(windows, t.Due) {
				took = append(took, milliseconds(d))
			}
		}
		if len(took) == 0 {
			continue
		}
		p50, p90, p99, most := ranks(took)
		for name, v := range map[string]float64{"p50": p50, "p90": p90, "p99": p99, "max": most} {
			m[s.name+"_"+name+"_ms"] = round(v, 3)
		}
	}
	return m
}

func (r *Run) measureTurns(m map[string]float64, windows []Window, per float64) {
	var planned, meant, messages, reactions, expired, unknown float64
	for _, t := range r.Turns {
		if within(windows, t.Planned) {
			planned++
		}
		if !within(windows, t.Due) {
			continue
		}
		reaction := t.Kind == accounting.Reaction
		switch {
		case reaction && (t.Outcome == accounting.Delivered || t.Outcome == accounting.FellBack):
			reactions++
		case spoken(t):
			messages++
		}
		if !reaction && !unsaid(t) {
			meant++
		}
		if t.Outcome == outcomeExpired {
			expired++
		}
		if t.Outcome == accounting.Unknown {
			unknown++
		}
	}
	m["turns_per_minute"] = round(planned/per, 3)
	m["messages_per_minute"] = round(messages/per, 3)
	m["reactions_per_minute"] = round(reactions/per, 3)
	m["expired_per_minute"] = round(expired/per, 3)
	m["unknown"] = unknown
	if meant > 0 {
		m["delivered_share"] = round(messages/meant, 6)
	}
}

const (
	outcomeExpired  = "expired"
	outcomeRejected = "rejected"
	outcomeDead     = "dead"
	outcomeOpen     = "open"
)

func (r *Run) measureCalls(m map[string]float64, windows []Window, per float64) {
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
	m["calls_per_minute"] = round(calls/per, 3)
	m["errors_per_minute"] = round(failed/per, 3)
	m["peak_per_minute"] = round(float64(peak(sent))/busiest.Minutes(), 3)
	m["first_message_seconds"] = round(firstAfter(windows, sent), 3)
	if len(sent) == 0 {
		return
	}
	if took := sent[len(sent)-1].Sub(sent[0]); took > 0 {
		m["drain_per_second"] = round(float64(len(sent)-1)/took.Seconds(), 3)
	}
}

// peak is the most events in any busiest stretch of sorted times.
func peak(sorted []time.Time) int {
	most, from := 0, 0
	for i, at := range sorted {
		for at.Sub(sorted[from]) >= busiest {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// firstAfter is how long the first event of a window takes, in seconds: in the
// window where that is longest.
func firstAfter(windows []Window, sorted []time.Time) float64 {
	var longest time.Duration
	for _, w := range windows {
		took := w.To.Sub(w.From) // as long as the whole window, if nothing comes in it
		for _, at := range sorted {
			if w.has(at) {
				took = at.Sub(w.From)
				break
			}
		}
		longest = max(longest, took)
	}
	return longest.Seconds()
}
