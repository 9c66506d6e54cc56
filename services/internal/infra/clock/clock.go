// Package clock tells the time of PostgreSQL, by which times in rows are judged, and
// how far this process' clock is from those of the servers that it works with.
package clock

import (
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
