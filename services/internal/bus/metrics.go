package bus

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what consumers do. A nil *Metrics counts nothing.
type Metrics struct {
	settledTotal *prometheus.CounterVec
	retriedTotal *prometheus.CounterVec
	partitions   *prometheus.GaugeVec
	messages     *prometheus.GaugeVec
	oldest       *prometheus.GaugeVec
	lanes        *prometheus.GaugeVec
}

// What becomes of messages.
const (
	verdictDone       = "done"
	verdictHandedBack = "handed_back"
	verdictDead       = "dead"
	verdictLapsed     = "lapsed"
)

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
	queue := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help + " in the partitions that this process reads."}, []string{"group"})
	}
	m.messages = queue("chorus_queue_messages", "Messages that wait or are being handled,")
	m.oldest = queue("chorus_queue_oldest_seconds", "Age of the oldest message,")
	m.lanes = queue("chorus_queue_lanes", "Chats that have work,")
	r.MustRegister(m.settledTotal, m.retriedTotal, m.partitions, m.messages, m.oldest, m.lanes)
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

// begin makes the series of a group, so that their first change is seen as one.
func (m *Metrics) begin(g Group) {
	if m == nil {
		return
	}
	group := g.Name
	for _, v := range []string{verdictDone, verdictHandedBack, verdictDead, verdictLapsed} {
		m.settledTotal.WithLabelValues(group, v)
	}
	m.retriedTotal.WithLabelValues(group)
	if g.partitioned() {
		m.partitions.WithLabelValues(group)
		m.waiting(group, depth{})
	}
}

func (m *Metrics) waiting(group string, d depth) {
	if m == nil {
		return
	}
	m.messages.WithLabelValues(group).Set(float64(d.messages))
	m.oldest.WithLabelValues(group).Set(d.oldest.Seconds())
	m.lanes.WithLabelValues(group).Set(float64(d.lanes))
}
