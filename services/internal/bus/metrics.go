package bus

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what consumers do. A nil *Metrics counts nothing.
type Metrics struct {
	settledTotal *prometheus.CounterVec
	retriedTotal *prometheus.CounterVec
	partitions   *prometheus.GaugeVec
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
		partitions: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chorus_bus_partitions", Help: "Partitions that this process reads.",
		}, []string{"group"}),
	}
	r.MustRegister(m.settledTotal, m.retriedTotal, m.partitions)
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

func (m *Metrics) reads(group string, partitions int) {
	if m != nil {
		m.partitions.WithLabelValues(group).Set(float64(partitions))
	}
}
