package bus

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what consumers do. A nil *Metrics counts nothing.
type Metrics struct {
	settledTotal *prometheus.CounterVec
	retriedTotal *prometheus.CounterVec
}

// NewMetrics registers the bus's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		settledTotal: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_bus_settled_total", Help: "Messages taken off the bus, by what became of them.",
		}, []string{"group", "verdict"}),
		retriedTotal: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_bus_retries_total", Help: "Attempts after a message's first.",
		}, []string{"group"}),
	}
	r.MustRegister(m.settledTotal, m.retriedTotal)
	return m
}

func (m *Metrics) settled(group, verdict string) {
	if m != nil {
		m.settledTotal.WithLabelValues(group, verdict).Inc()
	}
}

func (m *Metrics) retried(group string) {
	if m != nil {
		m.retriedTotal.WithLabelValues(group).Inc()
	}
}
