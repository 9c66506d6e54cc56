// Package clock follows PostgreSQL's clock, by which times in rows count, and measures how
// far this process' clock is from those of the servers that it works with.
package clock

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/infra/metric"
)

// Servers with a clock.
const (
	Telegram   = "telegram"
	PostgreSQL = "postgresql"
	NATS       = "nats"
)

// Tolerance is the difference between clocks that is reported. Telegram sends whole
// seconds, and a response takes a while to arrive.
const Tolerance = 10 * time.Second

// Differences measures how far this process' clock is from others.
type Differences struct {
	now     func() time.Time
	seconds *prometheus.GaugeVec
}

// New registers the metric. now is this process' clock.
func New(r prometheus.Registerer, now func() time.Time) *Differences {
	return &Differences{now: now, seconds: metric.Gauges(r, "chorus_clock_difference_seconds",
		"By how much this process' clock is ahead of a server's, below 0 behind, as of the server's last answer.", "to")}
}

// To returns a function that records a server's time as soon as it arrives. It is safe for
// concurrent use.
func (d *Differences) To(server string) func(theirs time.Time) {
	seconds := d.seconds.WithLabelValues(server)
	return func(theirs time.Time) { seconds.Set(d.now().Sub(theirs).Seconds()) }
}

const (
	// Every is the interval between a running clock's measurements.
	Every = 30 * time.Second
	// jitter is a difference that is ignored, in addition to a measurement's uncertainty:
	// two consecutive measurements differ slightly.
	jitter = time.Second
	// askTimeout limits a measurement.
	askTimeout = 5 * time.Second
)

// Clock follows a server's clock. Between measurements it uses this process' monotonic
// clock, so the process' own time of day, and changes of it, don't matter. It is safe for
// concurrent use.
type Clock struct {
	local func() time.Time
	ask   func(context.Context) (time.Time, error)

	mu           sync.Mutex
	ours, theirs time.Time // the same instant by both clocks; zero until the first measurement
	told         time.Time // the latest result of Now
}

// Follow returns a clock that returns local's time until the first measurement.
func Follow(local func() time.Time, ask func(context.Context) (time.Time, error)) *Clock {
	return &Clock{local: local, ask: ask}
}

// Now returns the server's time. It doesn't go back, unless the server's clock was set back
// by more than Tolerance: then the times in its rows go back as well.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.at(c.local()); now.After(c.told) {
		c.told = now
	}
	return c.told
}

// at converts an instant of the local clock to the server's time.
func (c *Clock) at(local time.Time) time.Time {
	if c.theirs.IsZero() {
		return local
	}
	return c.theirs.Add(local.Sub(c.ours))
}

// Measure asks for the server's time. The response is from some moment between request and
// arrival. A difference within this uncertainty is ignored.
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
	theirs = theirs.Add(unknown) // the server's time at arrival, estimated
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

// Run measures until the context ends, and returns nil. If the server doesn't respond, the
// clock goes on as before; others report the outage.
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
