package planner

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/metric"
)

// Metrics holds the planner's metrics.
type Metrics struct {
	turns   *prometheus.CounterVec
	skips   *prometheus.CounterVec
	prompts *prometheus.CounterVec
	lag     prometheus.Histogram
	batches prometheus.Histogram
	errors  prometheus.Counter
	overdue prometheus.Counter
}

// NewMetrics registers the planner's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	return &Metrics{
		turns:   metric.Counters(r, "chorus_turns_planned_total", "Turns planned, by kind.", "kind"),
		skips:   metric.Counters(r, "chorus_turns_skipped_total", "Due chats for which no turn was planned, by reason.", "reason"),
		prompts: metric.Counters(r, "chorus_prompts_total", "Messages of people that called for an answer, by what became of it: planned, or why not.", "result"),
		lag: metric.Histogram(r, "chorus_planner_lag_seconds", "From the time a turn was due to its planning.",
			.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60),
		batches: metric.Histogram(r, "chorus_planner_batch_seconds", "One batch of due chats, from the claim to the commit.",
			.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5),
		errors:  metric.Counter(r, "chorus_planner_errors_total", "Batches that failed and were tried again."),
		overdue: metric.Counter(r, "chorus_turns_overdue_total", "Turns that the planner closed because nobody came to them in time."),
	}
}

func (m *Metrics) planned(p plan, took time.Duration) {
	if len(p.chats) == 0 {
		return
	}
	m.batches.Observe(took.Seconds())
	m.turned(p)
	for _, s := range p.skips {
		m.skips.WithLabelValues(s.String()).Inc()
	}
}

func (m *Metrics) turned(p plan) {
	for _, t := range p.planned {
		m.turns.WithLabelValues(subject.TurnKindName(t.Turn.GetKind())).Inc()
		m.lag.Observe(t.Turn.GetPlannedAt().AsTime().Sub(t.Turn.GetDueAt().AsTime()).Seconds())
	}
}

func (m *Metrics) answered(p plan) {
	m.turned(p)
	for _, t := range p.planned {
		m.prompts.WithLabelValues("planned").Inc()
		if t.Turn.GetAlsoAnswers() != 0 {
			m.prompts.WithLabelValues("planned").Inc()
		}
	}
	for _, s := range p.skips {
		m.prompts.WithLabelValues(s.String()).Inc()
	}
}

func (m *Metrics) failed() { m.errors.Inc() }

func (m *Metrics) expired(n int) { m.overdue.Add(float64(n)) }
