package clock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/clock"
)

// clocks holds a process' clock and its server's. The server's response is from the middle
// of the trip.
type clocks struct {
	ours, theirs time.Time
	trip         time.Duration
	err          error
}

func (c *clocks) local() time.Time { return c.ours }

func (c *clocks) ask(context.Context) (time.Time, error) {
	c.pass(c.trip / 2)
	told := c.theirs
	c.pass(c.trip - c.trip/2)
	return told, c.err
}

func (c *clocks) pass(d time.Duration) { c.ours, c.theirs = c.ours.Add(d), c.theirs.Add(d) }

func TestAClockFollowsItsServers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ahead       time.Duration // of the process' clock at the first measurement
		trip        time.Duration // duration of the first measurement
		steps       time.Duration // of the server's clock before the second measurement
		again       time.Duration // duration of the second measurement
		wantFirst   time.Duration // lead over the server's clock after the first measurement
		wantStepped time.Duration // before the second measurement
		want        time.Duration // after it
	}{
		"they agree":                     {},
		"three minutes ahead":            {ahead: 3 * time.Minute},
		"three minutes behind":           {ahead: -3 * time.Minute},
		"a day ahead":                    {ahead: 24 * time.Hour, trip: time.Second},
		"the server's is set on":         {steps: time.Minute, wantStepped: -time.Minute},
		"the server's is set back":       {steps: -time.Minute, wantStepped: time.Minute},
		"a little on, which is jitter":   {steps: time.Second, wantStepped: -time.Second, want: -time.Second},
		"a little back, which is jitter": {steps: -time.Second, wantStepped: time.Second, want: time.Second},
		"a trip explains it":             {steps: 2 * time.Second, again: 3 * time.Second, wantStepped: -2 * time.Second, want: -2 * time.Second},
		"a trip doesn't explain it":      {steps: 3 * time.Second, again: 3 * time.Second, wantStepped: -3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
			both := &clocks{ours: server.Add(c.ahead), theirs: server, trip: c.trip}
			clk := clock.Follow(both.local, both.ask)
			differs := func(when string, want time.Duration) {
				t.Helper()
				if got := clk.Now().Sub(both.theirs); got != want {
					t.Errorf("%s: it is %v ahead of the server's, want %v", when, got, want)
				}
			}
			measure := func() {
				t.Helper()
				if err := clk.Measure(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			differs("before", c.ahead)
			measure()
			differs("measured", c.wantFirst)
			both.pass(time.Hour)
			differs("an hour later", c.wantFirst)
			both.theirs, both.trip = both.theirs.Add(c.steps), c.again
			differs("stepped", c.wantStepped)
			measure()
			differs("measured again", c.want)
		})
	}
}

// After a correction backwards the clock stands still and doesn't go back, unless the
// correction is so large that the server's clock itself was set back.
func TestAClockDoesNotGoBack(t *testing.T) {
	t.Parallel()
	server := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	both := &clocks{ours: server, theirs: server}
	clk := clock.Follow(both.local, both.ask)
	if err := clk.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := clk.Now()
	both.theirs = both.theirs.Add(-5 * time.Second)
	if err := clk.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 7 {
		now := clk.Now()
		if now.Before(last) {
			t.Fatalf("from %v back to %v", last, now)
		}
		last = now
		both.pass(time.Second)
	}
	if got := clk.Now(); !got.Equal(both.theirs) {
		t.Errorf("it tells %v, and the server %v", got, both.theirs)
	}
}

// An outage of the server doesn't stop the clock.
func TestAClockGoesOnWithoutItsServer(t *testing.T) {
	t.Parallel()
	server := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	both := &clocks{ours: server.Add(time.Hour), theirs: server}
	clk := clock.Follow(both.local, both.ask)
	if err := clk.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	both.pass(time.Minute)
	both.err = errors.New("it is away")
	if err := clk.Measure(t.Context()); !errors.Is(err, both.err) {
		t.Errorf("%v, want %v", err, both.err)
	}
	if got := clk.Now(); !got.Equal(both.theirs) {
		t.Errorf("it tells %v, and the server %v", got, both.theirs)
	}
}
