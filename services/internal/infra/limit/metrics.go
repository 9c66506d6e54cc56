package limit

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/infra/metric"
)

// Metrics counts what a shared limiter does.
type Metrics struct {
	reservations *prometheus.CounterVec
	failures     prometheus.Counter
	answering    prometheus.Gauge
}

// Who decided.
const (
	byRedis   = "redis"
	byProcess = "process"
)

// NewMetrics registers the metrics of a shared limiter.
func NewMetrics(r prometheus.Registerer) *Metrics {
	return &Metrics{
		reservations: metric.Counters(r, "chorus_limit_reservations_total", "Calls that asked for their tokens, by who decided and what.", "by", "verdict"),
		failures:     metric.Counter(r, "chorus_limit_redis_failures_total", "Questions about limits that Redis failed to answer in time."),
		answering:    metric.Gauge(r, "chorus_limit_shared", "1 while limits are shared through Redis, 0 while each process keeps to its share."),
	}
}

func (m *Metrics) reserved(by string, granted bool) {
	verdict := "refused"
	if granted {
		verdict = "granted"
	}
	m.reservations.WithLabelValues(by, verdict).Inc()
}

func (m *Metrics) failed() { m.failures.Inc() }

func (m *Metrics) shared(yes bool) { m.answering.Set(metric.Truth(yes)) }
