// Package clock tells the time of PostgreSQL, by which times in rows are judged, and
// how far this process' clock is from those of the servers that it works with.
package clock

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/infra/metric"
)

// The servers that have a clock.
const (
	Telegram   = "telegram"
	PostgreSQL = "postgresql"
	NATS       = "nats"
)

// Tolerance is by how much clocks may differ before somebody is told. Telegram tells
// whole seconds, and an answer may be a while on its way.
const Tolerance = 10 * time.Second

// Differences is how far this process' clock is from others.
type Differences struct {
	now     func() time.Time
	seconds *prometheus.GaugeVec
}

// New registers the metric. Now is this process' clock.
func New(r prometheus.Registerer, now func() time.Time) *Differences {
	return &Differences{now: now, seconds: metric.Gauges(r, "chorus_clock_difference_seconds",
		"By how much this process' clock is ahead of a server's, below 0 behind, as of the server's last answer.", "to")}
}

// To is told a server's time each time that it says it. It is safe for concurrent
// use.
func (d *Differences) To(server string) func(theirs time.Time) {
	seconds := d.seconds.WithLabelValues(server)
	return func(theirs time.Time) { seconds.Set(d.now().Sub(theirs).Seconds()) }
}

const (
	// Every is how often a clock is measured anew while it runs.
	Every = 30 * time.Second
	// jitter is a difference that is left alone, besides what a measurement doesn't
	// know: two that follow each other tell a little different times.
	jitter = time.Second
	// askTimeout bounds a measurement.
	askTimeout = 5 * time.Second
)

// Clock tells the time of a server. It goes on by this process' monotonic clock from
// what the server said, so the process' own time of day, and whether somebody sets it,
// changes nothing. It is safe for concurrent use.
type Clock struct {
	local func() time.Time
	ask   func(context.Context) (time.Time, error)

	mu           sync.Mutex
	ours, theirs time.Time // the same instant by both; zero until the first measurement
	told         time.Time // the latest
}

// Follow makes a clock that tells local's time until it has measured the server's.
func Follow(local func() time.Time, ask func(context.Context) (time.Time, error)) *Clock {
	return &Clock{local: local, ask: ask}
}

// Now is the server's time. It does not go back, but if the server's clock was set
// back by more than Tolerance: then the times in its rows go back as well.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.at(c.local()); now.After(c.told) {
		c.told = now
	}
	return c.told
}

// at is the server's time at an instant of the local clock.
func (c *Clock) at(local time.Time) time.Time {
	if c.theirs.IsZero() {
		return local
	}
	return c.theirs.Add(local.Sub(c.ours))
}

// Measure asks for the server's time. The answer was given at some moment between the
// question and its arrival; a difference that this explains is left alone.
func (c *Clock) Measure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asked := c.local()
	theirs, err := c.ask(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	answered := c.local()
	unknown := answered.Sub(asked) / 2
	theirs = theirs.Add(unknown) // when it was answered
	first := c.theirs.IsZero()
	if !first && c.at(answered).Sub(theirs).Abs() <= unknown+jitter {
		return nil
	}
	c.ours, c.theirs = answered, theirs
	if first || c.told.Sub(theirs) > Tolerance {
		c.told = time.Time{}
	}
	return nil
}

// Run measures until the context ends, and returns nil. A server that doesn't answer
// is somebody else's to tell of: the clock goes on as it was.
func (c *Clock) Run(ctx context.Context) error {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			_ = c.Measure(ctx)
		}
	}
}
