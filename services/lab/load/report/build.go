package report

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/accounting"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// Build makes the report of a run. The baseline is that of the run without
// faults, nil for none.
func Build(r *Run, baseline *Report) *Report {
	out := &Report{
		Scenario: r.Scenario.Name, Summary: r.Scenario.Summary, Began: r.Began.UTC(), Ended: r.Ended.UTC(),
		Machine: r.Machine, Build: r.Build, Deployment: r.Deployment, Size: r.Size, Pace: r.Pace,
		Bots: r.Scenario.Cast.Bots, Chats: r.Scenario.Cast.Chats, Replicas: r.Replicas,
		Events: r.Events, Counters: r.Counters, Baseline: baseline,
	}
	out.Accounting = r.account()
	out.Services = r.usage()
	out.Stages = r.stages()
	out.Calls = r.callClasses()
	out.Activity = r.activity()
	out.Series = r.series()
	out.Minutes = r.minutes()
	named := map[string]map[string]float64{}
	for _, w := range r.Windows {
		name := w.Phase.Name
		if named[name] == nil {
			named[name] = r.measure(r.windows(name))
		}
		out.Phases = append(out.Phases, Phase{
			Name: name, From: r.seconds(w.From), To: r.seconds(w.To),
			Faults: slices.Concat(w.Phase.Faults, prefixed("model: ", w.Phase.LLM)), Measures: named[name],
			Disturbed: len(w.Phase.Faults)+len(w.Phase.LLM)+len(w.Phase.Do) > 0,
		})
	}
	out.Measures = r.measure(r.windows(""))
	maps.Copy(out.Measures, r.whole(out))
	out.Passed = true
	for _, t := range r.Scenario.Targets {
		judged := out.judge(t)
		out.Passed = out.Passed && judged.Passed
		out.Targets = append(out.Targets, judged)
	}
	return out
}

func prefixed(prefix string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = prefix + s
	}
	return out
}

const (
	// lateMargin is for a call that was under way when its turn's time was over,
	// and for the difference of clocks.
	lateMargin = time.Second
	// earlyMargin is for the way of a call, and for the difference of clocks.
	earlyMargin = 50 * time.Millisecond
	// shownProblems is how many problems are told in words.
	shownProblems = 20
)

func (r *Run) account() Accounting {
	a := Accounting{Planned: len(r.Turns), Outcomes: map[string]int{}, Reasons: map[string]int{}}
	for _, t := range r.Turns {
		outcome := t.Outcome
		if outcome == "" {
			outcome = outcomeOpen
		}
		a.Outcomes[outcome]++
		if outcome != accounting.Delivered && t.Reason != "" {
			a.Reasons[outcome+": "+t.Reason]++
		}
	}
	for _, c := range r.Calls {
		switch {
		case c.Sent():
			a.Messages++
		case c.Method == accounting.SetReaction && !c.Failed():
			a.Reactions++
		}
	}
	matches := accounting.Matches(r.Calls, r.Turns)
	a.Explained = len(matches)
	a.OutOfOrder = accounting.OutOfOrder(matches)
	a.Late = accounting.Late(matches, lateMargin)
	a.TooEarly = accounting.TooEarly(r.Calls, earlyMargin)
	for _, p := range accounting.Compare(r.Calls, r.Turns, r.Before, r.Clocks) {
		switch p.Kind {
		case accounting.Duplicate:
			a.Duplicates++
		case accounting.Lost, accounting.Wrong:
			a.Lost++
		}
		if len(a.Problems) < shownProblems {
			a.Problems = append(a.Problems, p.Text)
		}
	}
	// A message without a turn that explains it is one of unknown outcome that was
	// sent, or a duplicate.
	a.Unknown = a.Messages - a.Explained - a.Duplicates
	return a
}

// whole are the measures of the whole run.
func (r *Run) whole(out *Report) map[string]float64 {
	a := out.Accounting
	ended := 0
	for _, n := range a.Outcomes {
		ended += n
	}
	m := map[string]float64{
		"turns": float64(a.Planned), "lost": float64(a.Lost), "duplicates": float64(a.Duplicates),
		"order_violations": float64(a.OutOfOrder), "late": float64(a.Late), "retry_after_violations": float64(a.TooEarly),
		"open": float64(a.Outcomes[outcomeOpen]), "dead": float64(a.Outcomes[outcomeDead]),
		"unaccounted": math.Abs(float64(a.Planned-ended)) + math.Abs(float64(min(0, a.Outcomes[accounting.Unknown]-a.Unknown))),
		"crashes":     float64(r.Crashes), "kills": float64(r.Kills),
	}
	for _, u := range out.Services {
		if !u.Chorus {
			continue
		}
		m["memory_most_mb"] = max(m["memory_most_mb"], u.MostMB)
		for name, v := range map[string]*float64{"memory_slope_pct_per_min": u.MemorySlope, "goroutines_slope_pct_per_min": u.GoroutinesSlope} {
			if old, known := m[name]; v != nil && (!known || *v > old) {
				m[name] = *v
			}
		}
	}
	return m
}

// judge compares a target with what was measured.
func (r *Report) judge(t scenario.Target) Target {
	out := Target{Name: t.Name, Measure: t.Measure, Min: t.Min, Max: t.Max}
	for _, m := range scenario.Measures() {
		if m.Name == t.Measure {
			out.Unit = m.Unit
		}
	}
	if t.Phase != "" {
		out.Measure += " in " + t.Phase
	}
	value, known := r.of(t.Phase, t.Measure)
	if t.Over != "" {
		out.Measure += " over " + t.Over
		out.Unit = "×"
		base, baseKnown := r.base(t)
		known = known && baseKnown && base != 0
		value /= base
	}
	if !known {
		return out
	}
	value = round(value, 4)
	out.Value = &value
	out.Passed = (t.Min == nil || value >= *t.Min) && (t.Max == nil || value <= *t.Max)
	return out
}

func (r *Report) base(t scenario.Target) (float64, bool) {
	if t.Over != scenario.Baseline {
		return r.of(t.Over, t.Measure)
	}
	if r.Baseline == nil {
		return 0, false
	}
	return r.Baseline.of(t.Phase, t.Measure)
}

// of is a measure of a phase, or of the whole run.
func (r *Report) of(phase, measure string) (float64, bool) {
	if phase == "" {
		v, ok := r.Measures[measure]
		return v, ok
	}
	for _, p := range r.Phases {
		if p.Name == phase {
			v, ok := p.Measures[measure]
			return v, ok
		}
	}
	return 0, false
}
