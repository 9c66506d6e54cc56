package planner

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/proto/subject"
)

// Metrics counts what the planner does. A nil *Metrics counts nothing.
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
	m := &Metrics{
		turns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_turns_planned_total", Help: "Turns planned, by kind.",
		}, []string{"kind"}),
		skips: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_turns_skipped_total", Help: "Due chats for which no turn was planned, by reason.",
		}, []string{"reason"}),
		prompts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_prompts_total", Help: "Messages of people that called for an answer, by what became of it: planned, or why not.",
		}, []string{"result"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chorus_planner_lag_seconds", Help: "From the time a turn was due to its planning.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chorus_planner_batch_seconds", Help: "One batch of due chats, from the claim to the commit.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chorus_planner_errors_total", Help: "Batches that failed and were tried again.",
		}),
		overdue: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chorus_turns_overdue_total", Help: "Turns that the planner closed because nobody came to them in time.",
		}),
	}
	r.MustRegister(m.turns, m.skips, m.prompts, m.lag, m.batches, m.errors, m.overdue)
	return m
}

func (m *Metrics) planned(p plan, took time.Duration) {
	if m == nil || len(p.chats) == 0 {
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
	if m == nil {
		return
	}
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

func (m *Metrics) failed() {
	if m != nil {
		m.errors.Inc()
	}
}

func (m *Metrics) expired(n int) {
	if m != nil {
		m.overdue.Add(float64(n))
	}
}
