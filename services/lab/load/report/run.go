package report

import (
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/accounting"
	"github.com/chorus-cast/chorus/services/lab/load/sampling"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// Run is what is known of a run when it is over.
type Run struct {
	Scenario   *scenario.Scenario
	Size, Pace float64
	Machine    string
	Build      string
	Deployment string
	// Replicas are how many of each service there were at the beginning.
	Replicas map[string]int
	Began    time.Time
	// Measured is when the warm-up was over, Ended when nothing was open any more.
	Measured, Ended time.Time
	Windows         []Window
	Events          []Event
	Calls           []accounting.Call
	Turns           []accounting.Turn
	// Before and Clocks are the numbers of the chats' last turns, before and after.
	Before, Clocks map[int64]int64
	Open           []OpenTurns
	Samples        []sampling.Sample
	Counters       map[string]float64
	Kills, Crashes int
}

// Window is a phase as it was.
type Window struct {
	Phase    scenario.Phase
	From, To time.Time
}

// OpenTurns is how many turns had not ended at a time.
type OpenTurns struct {
	At time.Time
	N  int
}

func (w Window) has(at time.Time) bool { return !at.Before(w.From) && at.Before(w.To) }

// windows are those of a name; all of them for the empty one.
func (r *Run) windows(name string) []Window {
	if name == "" {
		return r.Windows
	}
	var found []Window
	for _, w := range r.Windows {
		if w.Phase.Name == name {
			found = append(found, w)
		}
	}
	return found
}

func within(windows []Window, at time.Time) bool {
	for _, w := range windows {
		if w.has(at) {
			return true
		}
	}
	return false
}

func minutes(windows []Window) float64 {
	var d time.Duration
	for _, w := range windows {
		d += w.To.Sub(w.From)
	}
	return d.Minutes()
}

func (r *Run) seconds(at time.Time) float64 { return round(at.Sub(r.Began).Seconds(), 3) }
