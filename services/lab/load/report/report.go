// Package report is what the load lab found: as JSON, as a page, as tables, and
// compared with another one.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Report is a run of a scenario. Times of day are UTC, rates are per minute,
// latencies milliseconds.
type Report struct {
	Scenario   string    `json:"scenario"`
	Summary    string    `json:"summary"`
	Began      time.Time `json:"began"`
	Ended      time.Time `json:"ended"`
	Machine    string    `json:"machine"`
	Build      string    `json:"build"`
	Deployment string    `json:"deployment"`
	// Size and Pace are what the scenario's sizes and times were multiplied by.
	Size     float64        `json:"size"`
	Pace     float64        `json:"pace"`
	Bots     int            `json:"bots"`
	Chats    int            `json:"chats"`
	Replicas map[string]int `json:"replicas"`

	Passed  bool     `json:"passed"`
	Targets []Target `json:"targets"`

	Accounting Accounting         `json:"accounting"`
	Measures   map[string]float64 `json:"measures"`
	Phases     []Phase            `json:"phases"`
	Stages     []Stage            `json:"stages"`
	Calls      []CallClass        `json:"calls"`
	Activity   []Figure           `json:"activity"`
	Services   []Usage            `json:"services"`
	Minutes    []Minute           `json:"minutes"`
	Series     Series             `json:"series"`
	Events     []Event            `json:"events"`
	Counters   map[string]float64 `json:"counters"`

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

// Accounting is where every turn went.
type Accounting struct {
	Planned   int            `json:"planned"`
	Outcomes  map[string]int `json:"outcomes"` // by outcome; "open" for those without
	Messages  int            `json:"messages"` // that Telegram took
	Reactions int            `json:"reactions"`
	// Explained are the messages of which the journal knows the turn, Unknown
	// those that it doesn't know of, as their outcome says.
	Explained  int `json:"explained"`
	Unknown    int `json:"unknown"`
	Lost       int `json:"lost"`
	Duplicates int `json:"duplicates"`
	OutOfOrder int `json:"out_of_order"`
	Late       int `json:"late"`
	TooEarly   int `json:"too_early"`
	// Reasons are the receipts' that say more than their outcome.
	Reasons map[string]int `json:"reasons,omitempty"`
	// Problems are the first things that don't fit, in words.
	Problems []string `json:"problems,omitempty"`
}

// Phase is a phase and what was measured in it; the seconds are from the run's
// beginning.
type Phase struct {
	Name   string   `json:"name"`
	From   float64  `json:"from"`
	To     float64  `json:"to"`
	Faults []string `json:"faults,omitempty"`
	// Disturbed phases have faults or actions.
	Disturbed bool               `json:"disturbed"`
	Measures  map[string]float64 `json:"measures"` // of all phases of this name
}

// Stage is how long a part of a turn's way took, in milliseconds.
type Stage struct {
	Name  string  `json:"name"`
	Doc   string  `json:"doc"`
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// CallClass is calls to Telegram of one method that ended alike.
type CallClass struct {
	Method string `json:"method"`
	Answer string `json:"answer"`
	Failed bool   `json:"failed"`
	Count  int    `json:"count"`
}

// Figure is a number by name, nil where this build has no such metric.
type Figure struct {
	Name  string   `json:"name"`
	Value *float64 `json:"value"`
	Unit  string   `json:"unit,omitempty"`
}

// Usage is what the processes of a service used.
type Usage struct {
	Service    string  `json:"service"`
	Chorus     bool    `json:"chorus"`
	Processes  int     `json:"processes"` // that there were in the whole run
	CPUSeconds float64 `json:"cpu_seconds"`
	Cores      float64 `json:"cores"`      // mean, all processes together
	MeanMB     float64 `json:"mean_mb"`    // of a process
	MostMB     float64 `json:"most_mb"`    // of a process
	Goroutines float64 `json:"goroutines"` // most, of a process
	// Slopes are in percent of the mean a minute, by least squares after the
	// warm-up, of the process that lived longest; nil where that is too short.
	MemorySlope     *float64 `json:"memory_slope_pct_per_min"`
	GoroutinesSlope *float64 `json:"goroutines_slope_pct_per_min"`
}

// Minute is what happened in a minute of the run.
type Minute struct {
	Minute    int     `json:"minute"`
	Planned   int     `json:"planned"`
	Messages  int     `json:"messages"`
	Reactions int     `json:"reactions"`
	FellBack  int     `json:"fell_back"`
	Expired   int     `json:"expired"`
	Calls     int     `json:"calls"`
	Errors    int     `json:"errors"`
	P99       float64 `json:"end_to_end_p99_ms"`
}

// Event is something that the lab did or saw.
type Event struct {
	At   float64 `json:"at"` // seconds from the run's beginning
	What string  `json:"what"`
}

// Series are values over time, one a bin.
type Series struct {
	BinSeconds float64 `json:"bin_seconds"`
	Lines      []Line  `json:"lines"`
}

// Line is one of the series. A nil value is a bin in which there was nothing to
// measure.
type Line struct {
	Chart  string     `json:"chart"`
	Name   string     `json:"name"`
	Values []*float64 `json:"values"`
}

// Seconds is how long the run was.
func (r *Report) Seconds() float64 { return r.Ended.Sub(r.Began).Seconds() }

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
