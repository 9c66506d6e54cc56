package limit

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what a shared limiter does. A nil *Metrics counts nothing.
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
	m := &Metrics{
		reservations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_limit_reservations_total", Help: "Calls that asked for their tokens, by who decided and what.",
		}, []string{"by", "verdict"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chorus_limit_redis_failures_total", Help: "Questions about limits that Redis failed to answer in time.",
		}),
		answering: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chorus_limit_shared", Help: "1 while limits are shared through Redis, 0 while each process keeps to its share.",
		}),
	}
	r.MustRegister(m.reservations, m.failures, m.answering)
	return m
}

func (m *Metrics) reserved(by string, granted bool) {
	if m == nil {
		return
	}
	verdict := "refused"
	if granted {
		verdict = "granted"
	}
	m.reservations.WithLabelValues(by, verdict).Inc()
}

func (m *Metrics) failed() {
	if m != nil {
		m.failures.Inc()
	}
}

func (m *Metrics) shared(yes bool) {
	if m == nil {
		return
	}
	value := 0.0
	if yes {
		value = 1
	}
	m.answering.Set(value)
}
