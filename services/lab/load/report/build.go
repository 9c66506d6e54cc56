package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/accounting"
	"github.com/chorus-cast/chorus/services/lab/load/sampling"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// Run holds the data of a finished run.
type Run struct {
	// Report has what needs no computing: beginning, end, events, counters, and
	// where and on what it was played.
	Report

	Played *scenario.Scenario
	// Measured is the end of the warm-up.
	Measured time.Time
	Windows  []Window
	Calls    []accounting.Call
	Turns    []accounting.Turn
	// Before and Clocks are the numbers of the chats' last turns, before and after.
	Before, Clocks map[int64]int64
	Samples        []sampling.Sample
	Kills, Crashes int
}

// Window is a phase as it was.
type Window struct {
	Phase    scenario.Phase
	From, To time.Time
}

// Build makes the report of a run. A Baseline, if there is to be one, is set
// already.
func Build(r *Run) *Report {
	out := r.Report
	out.Began, out.Ended = r.Began.UTC(), r.Ended.UTC()
	out.Scenario, out.Summary, out.Bots, out.Chats = r.Played.Name, r.Played.Summary, r.Played.Cast.Bots, r.Played.Cast.Chats
	out.Services, out.Answers = r.usage(), r.calls()
	for _, w := range r.Windows {
		same := slices.DeleteFunc(slices.Clone(r.Windows), func(o Window) bool { return o.Phase.Name != w.Phase.Name })
		p := r.phase(w, same)
		p.Name, p.Faults = w.Phase.Name, slices.Clone(w.Phase.Faults)
		for _, f := range w.Phase.LLM {
			p.Faults = append(p.Faults, "model: "+f)
		}
		out.Phases = append(out.Phases, p)
	}
	step := max(time.Minute, r.Ended.Sub(r.Began)/maxSteps)
	for from := r.Began; from.Before(r.Ended); from = from.Add(step) {
		w := Window{From: from, To: from.Add(step)}
		if w.To.After(r.Ended) {
			w.To = r.Ended
		}
		out.Timeline = append(out.Timeline, r.phase(w, []Window{w}))
	}
	out.Measures = r.measure(r.Windows)
	out.Accounting = r.account(out.Measures)
	growth(out.Measures, out.Services)
	out.judge(r.Played.Targets)
	return &out
}

// maxSteps limits the steps of the timeline: each step reads all turns and calls.
const maxSteps = 60

// phase is a window with the measures of all of its name.
func (r *Run) phase(w Window, same []Window) Phase {
	seconds := func(at time.Time) float64 { return round(at.Sub(r.Began).Seconds(), 3) }
	return Phase{From: seconds(w.From), To: seconds(w.To), Measures: r.measure(same)}
}

const (
	// lateMargin is for a call that was under way when its turn's time was over,
	// and for the difference of clocks.
	lateMargin = time.Second
	// earlyMargin is for the way of a call, and for the difference of clocks.
	earlyMargin = 50 * time.Millisecond
	// maxProblems limits how many problems are told in words.
	maxProblems = 20
)

// account accounts for every turn and message. The measures of the whole run get
// what does not fit.
func (r *Run) account(m map[string]float64) Accounting {
	a := Accounting{Planned: len(r.Turns), Outcomes: map[string]int{}, Reasons: map[string]int{}}
	for _, t := range r.Turns {
		outcome, needed := cmp.Or(t.Outcome, outcomeOpen), 1
		a.Outcomes[outcome]++
		if outcome != accounting.Delivered && t.Reason != "" {
			a.Reasons[outcome+": "+t.Reason]++
		}
		if outcome == accounting.FellBack {
			needed = 2 // the reaction, and the message in its place
		}
		a.Retries += max(0, t.Attempts-needed)
	}
	for _, c := range r.Calls {
		switch {
		case c.Sent():
			a.Messages++
		case c.Method == accounting.SetReaction && !c.Failed():
			a.Reactions++
		}
	}
	problems := map[accounting.Kind]int{}
	for _, p := range accounting.Compare(r.Calls, r.Turns, r.Before, r.Clocks) {
		problems[p.Kind]++
		if len(a.Problems) < maxProblems {
			a.Problems = append(a.Problems, p.Text)
		}
	}
	matches := accounting.Matches(r.Calls, r.Turns)
	a.Unknown = a.Messages - len(matches) - problems[accounting.Duplicate]
	maps.Copy(m, map[string]float64{
		"turns": float64(a.Planned), "open": float64(a.Outcomes[outcomeOpen]), "dead": float64(a.Outcomes[outcomeDead]),
		"lost":                   float64(problems[accounting.Lost] + problems[accounting.Wrong]),
		"duplicates":             float64(problems[accounting.Duplicate]),
		"order_violations":       float64(accounting.OutOfOrder(matches)),
		"late":                   float64(accounting.Late(matches, lateMargin)),
		"retry_after_violations": float64(accounting.TooEarly(r.Calls, earlyMargin)),
		"unaccounted":            math.Max(0, float64(a.Unknown-a.Outcomes[accounting.Unknown])),
		"crashes":                float64(r.Crashes), "kills": float64(r.Kills),
	})
	return a
}

// calls counts calls by method and answer: the status and the description, in
// which the seconds of a wait don't count.
func (r *Run) calls() map[string]int {
	counts := map[string]int{}
	for _, c := range r.Calls {
		answer := "ok"
		switch {
		case c.Status == 0:
			answer = "no answer: the caller gave up"
		case c.RetryAfter > 0:
			answer = fmt.Sprintf("%d: Too Many Requests: retry after N", c.Status)
		case c.Failed():
			answer = fmt.Sprintf("%d: %s", c.Status, c.Description)
		}
		counts[c.Method+" "+answer]++
	}
	return counts
}
