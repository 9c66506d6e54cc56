package generator

import (
	"github.com/prometheus/client_golang/prometheus"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/metric"
)

// Metrics counts the generator's outcomes, objections and memories.
type Metrics struct {
	ends       *prometheus.CounterVec
	objections *prometheus.CounterVec
	learned    prometheus.Counter
}

// NewMetrics registers the generator's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		ends:       metric.Counters(r, "chorus_generator_closed_total", "Turns that ended before they had a delivery, by outcome.", "outcome"),
		objections: metric.Counters(r, "chorus_generator_objections_total", "Drafts that the guard objected to, by rule and what was done.", "rule", "then"),
		learned:    metric.Counter(r, "chorus_generator_memories_total", "Memories that were found in talks."),
	}
	m.ends.WithLabelValues(subject.OutcomeName(chorusv1.Outcome_OUTCOME_PASSED))
	return m
}

func (m *Metrics) closed(outcome chorusv1.Outcome) {
	m.ends.WithLabelValues(subject.OutcomeName(outcome)).Inc()
}

func (m *Metrics) objected(rule, then string) { m.objections.WithLabelValues(rule, then).Inc() }

func (m *Metrics) found(n int) { m.learned.Add(float64(n)) }
