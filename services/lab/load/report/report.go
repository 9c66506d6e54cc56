// Package report holds the measurements of a load-lab run. It stores them as JSON, prints a
// summary to a terminal or a page of documentation, and checks the scenario's targets.
package report

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// Report is a run of a scenario. Times of day are UTC, rates are per minute,
// latencies milliseconds, other times seconds from the run's beginning.
type Report struct {
	Scenario   string    `json:"scenario"`
	Summary    string    `json:"summary"`
	Began      time.Time `json:"began"`
	Ended      time.Time `json:"ended"` // when nothing was open any more
	Machine    string    `json:"machine"`
	Build      string    `json:"build"`
	Deployment string    `json:"deployment"`
	// Size and Pace are the factors of the scenario's sizes and times.
	Size  float64 `json:"size"`
	Pace  float64 `json:"pace"`
	Bots  int     `json:"bots"`
	Chats int     `json:"chats"`
	// Replicas counts the replicas of each service at the start.
	Replicas map[string]int `json:"replicas"`

	Passed     bool               `json:"passed"`
	Targets    []Target           `json:"targets"`
	Accounting Accounting         `json:"accounting"`
	Measures   map[string]float64 `json:"measures"` // of the whole run
	Phases     []Phase            `json:"phases"`
	// Timeline is the whole run in steps of equal length, warm-up included.
	Timeline []Phase            `json:"timeline"`
	Answers  map[string]int     `json:"answers"` // of Telegram, by method
	Services []Usage            `json:"services"`
	Events   []Event            `json:"events"`
	Counters map[string]float64 `json:"counters"` // of the services' metrics

	// Baseline is the same scenario without faults, played before.
	Baseline *Report `json:"baseline,omitempty"`
}

// Target is a bound and what was measured.
type Target struct {
	Name    string   `json:"name"`
	Measure string   `json:"measure"` // in words, with its phase
	Unit    string   `json:"unit"`
	Value   *float64 `json:"value"` // nil where it could not be measured
	Min     *float64 `json:"min,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	Passed  bool     `json:"passed"`
}

// Accounting counts turns by their end. Violations are measures of the run: lost, duplicates,
// order_violations, late, unaccounted.
type Accounting struct {
	Planned   int            `json:"planned"`
	Outcomes  map[string]int `json:"outcomes"` // by outcome; "open" for those without
	Messages  int            `json:"messages"` // that Telegram took
	Reactions int            `json:"reactions"`
	// Unknown are the messages that were sent for a turn of unknown outcome.
	Unknown int `json:"unknown"`
	// Retries are the attempts of deliveries beyond those that each needs.
	Retries int `json:"retries"`
	// Reasons count turns that were not delivered, by outcome and reason.
	Reasons map[string]int `json:"reasons,omitempty"`
	// Problems are the first things that don't fit, in words.
	Problems []string `json:"problems,omitempty"`
}

// Phase is a stretch of time and what was measured in it. Phases of the same name
// have the measures of all of them together.
type Phase struct {
	Name     string             `json:"name,omitempty"`
	From     float64            `json:"from"`
	To       float64            `json:"to"`
	Faults   []string           `json:"faults,omitempty"`
	Measures map[string]float64 `json:"measures"`
}

// Usage is the resource use of a service's processes.
type Usage struct {
	Service    string  `json:"service"`
	Chorus     bool    `json:"chorus"`
	Processes  int     `json:"processes"`  // that there were in the whole run
	Cores      float64 `json:"cores"`      // mean, all processes together
	MeanMB     float64 `json:"mean_mb"`    // of a process
	MaxMB      float64 `json:"max_mb"`     // of a process
	Goroutines float64 `json:"goroutines"` // most, of a process
	// Slopes are in percent of the mean a minute, by least squares after the
	// warm-up, of the process that lived longest; nil where that is too short.
	MemorySlope     *float64 `json:"memory_slope_pct_per_min"`
	GoroutinesSlope *float64 `json:"goroutines_slope_pct_per_min"`
}

// Event is something that the lab did or saw.
type Event struct {
	At   float64 `json:"at"`
	What string  `json:"what"`
}

// Save writes the report as JSON.
func (r *Report) Save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o644) //nolint:gosec // reports are for others to read
}

// Load reads a report that Save wrote.
func Load(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	r := &Report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read the report %s: %w", path, err)
	}
	if r.Scenario == "" {
		return nil, fmt.Errorf("read the report %s: it is none of chorus load", path)
	}
	return r, nil
}

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
