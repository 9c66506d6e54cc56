package report

import (
	"math"

	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// judge compares the scenario's targets with what was measured. A target that
// can't be measured is missed.
func (r *Report) judge(targets []scenario.Target) {
	units := map[string]string{}
	for _, m := range scenario.Measures() {
		units[m.Name] = m.Unit
	}
	r.Passed = true
	for _, t := range targets {
		out := Target{Name: t.Name, Measure: t.Measure, Unit: units[t.Measure], Min: t.Min, Max: t.Max}
		value := r.measured(t.Phase, t.Measure)
		if t.Phase != "" {
			out.Measure += " in " + t.Phase
		}
		switch t.Over {
		case "":
		case scenario.Baseline:
			value /= r.Baseline.measured(t.Phase, t.Measure)
		default:
			value /= r.measured(t.Over, t.Measure)
		}
		if t.Over != "" {
			out.Measure, out.Unit = out.Measure+" over "+t.Over, "×"
		}
		if value = round(value, 4); !math.IsNaN(value) && !math.IsInf(value, 0) {
			out.Value = &value
			out.Passed = (t.Min == nil || value >= *t.Min) && (t.Max == nil || value <= *t.Max)
		}
		r.Passed = r.Passed && out.Passed
		r.Targets = append(r.Targets, out)
	}
}

// measured is a measure of a phase, or of the whole run; NaN where there is none.
func (r *Report) measured(phase, measure string) float64 {
	if r == nil {
		return math.NaN()
	}
	measures := r.Measures
	if phase != "" {
		measures = nil
		for _, p := range r.Phases {
			if p.Name == phase {
				measures = p.Measures
			}
		}
	}
	if v, ok := measures[measure]; ok {
		return v
	}
	return math.NaN()
}

// Missed returns how many targets were missed.
func (r *Report) Missed() int {
	n := 0
	for _, t := range r.Targets {
		if !t.Passed {
			n++
		}
	}
	return n
}

// Verdict returns whether a target was met, in a word.
func (t Target) Verdict() string {
	switch {
	case t.Value == nil:
		return "not measured"
	case t.Passed:
		return "pass"
	default:
		return "FAIL"
	}
}
