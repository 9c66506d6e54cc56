package generator

import (
	"github.com/prometheus/client_golang/prometheus"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
)

// Metrics counts what the generator does. A nil *Metrics counts nothing.
type Metrics struct {
	ends       *prometheus.CounterVec
	objections *prometheus.CounterVec
	learned    prometheus.Counter
}

// NewMetrics registers the generator's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_generator_closed_total", Help: "Turns that ended before they had a delivery, by outcome.",
		}, []string{"outcome"}),
		objections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_generator_objections_total", Help: "Drafts that the guard objected to, by rule and what was done.",
		}, []string{"rule", "then"}),
		learned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chorus_generator_memories_total", Help: "Memories that were found in talks.",
		}),
	}
	r.MustRegister(m.ends, m.objections, m.learned)
	m.ends.WithLabelValues(subject.OutcomeName(chorusv1.Outcome_OUTCOME_PASSED))
	return m
}

func (m *Metrics) closed(outcome chorusv1.Outcome) {
	if m != nil {
		m.ends.WithLabelValues(subject.OutcomeName(outcome)).Inc()
	}
}

func (m *Metrics) objected(rule, then string) {
	if m != nil {
		m.objections.WithLabelValues(rule, then).Inc()
	}
}

func (m *Metrics) found(n int) {
	if m != nil {
		m.learned.Add(float64(n))
	}
}
