package e2e_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/fault"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
)

func rejected() control.Fault {
	return control.Fault{ID: "rejected", Method: setReaction, Kind: fault.Status, Status: 400, Description: "REACTION_INVALID"}
}

func hanging() control.Fault {
	return control.Fault{ID: "hanging", Method: setReaction, Kind: fault.Hang, Duration: jsontime.Duration(30 * time.Second)}
}

// window is a period with one fault, or none if it is empty.
type window struct {
	fault    string
	from, to time.Time
}

// watch waits for several windows of a length, in which setMessageReaction is healthy,
// rejected, healthy, hangs, and is healthy again.
func watch(t *testing.T, emulator *control.Client, length time.Duration) []window {
	t.Helper()
	var windows []window
	for _, faults := range [][]control.Fault{{}, {rejected()}, {}, {hanging()}, {}} {
		if _, err := emulator.SetFaults(t.Context(), faults...); err != nil {
			t.Fatal(err)
		}
		w := window{from: time.Now()}
		for _, f := range faults {
			w.fault = f.ID
		}
		pass(t, length)
		w.to = time.Now()
		windows = append(windows, w)
	}
	return windows
}

// slices is the number of parts of a window, to estimate the variance of its rate.
const slices = 12

// count returns the number of events in each slice of a window.
func (w window) count(events []time.Time) []float64 {
	counts := make([]float64, slices)
	for _, at := range events {
		if i := int(float64(slices) * float64(at.Sub(w.from)) / float64(w.to.Sub(w.from))); !at.Before(w.from) && i < slices {
			counts[i]++
		}
	}
	return counts
}

const (
	// noise is the allowed difference of the slices' means in standard errors. Chance alone
	// exceeds 4 in one of some thousand comparisons.
	noise = 4
	// most limits the difference as a share of the healthy rate, however large the noise
	// is.
	most = 0.25
)

// changed returns each fault that changed the rate of events by more than the noise, and by
// how much.
func changed(windows []window, events []time.Time) map[string]string {
	var healthy []float64
	for _, w := range windows {
		if w.fault == "" {
			healthy = append(healthy, w.count(events)...)
		}
	}
	before, spread := meanAndError(healthy)
	found := map[string]string{}
	for _, w := range windows {
		if w.fault == "" {
			continue
		}
		during, width := meanAndError(w.count(events))
		allowed := min(noise*math.Hypot(spread, width), most*before)
		if difference := during - before; math.Abs(difference) > allowed || before == 0 {
			found[w.fault] = fmt.Sprintf("%.2f a slice became %.2f, allowed is a difference of %.2f", before, during, allowed)
		}
	}
	return found
}

// meanAndError returns the mean and its standard error.
func meanAndError(counts []float64) (mean, standardError float64) {
	n := float64(len(counts))
	for _, c := range counts {
		mean += c / n
	}
	sum := 0.0
	for _, c := range counts {
		sum += (c - mean) * (c - mean)
	}
	return mean, math.Sqrt(sum / (n - 1) / n)
}
