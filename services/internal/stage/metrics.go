package stage

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what stages do. A nil *Metrics counts nothing.
type Metrics struct {
	tasks   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	retries *prometheus.CounterVec
	sweeps  *prometheus.CounterVec
	open    *prometheus.GaugeVec
	oldest  *prometheus.GaugeVec
}

// What became of a task.
const (
	resultDone     = "done"
	resultLater    = "later"
	resultReturned = "returned"
	resultDead     = "dead"
)

// NewMetrics registers the metrics of stages.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		tasks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_stage_tasks_total", Help: "Tasks that a stage is done with, by result: done, later (it has to wait), returned (the process ended), dead.",
		}, []string{"stage", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chorus_stage_task_seconds", Help: "How long a stage worked on a task, waits and retries in place included.",
			Buckets: []float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, []string{"stage"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_stage_retries_total", Help: "Failed attempts at tasks that were tried again in place.",
		}, []string{"stage"}),
		sweeps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_stage_swept_total",
			Help: "What sweeps found: tasks taken over from processes that died or stood still (taken), chats whose ring was lost or whose time had come (due).",
		}, []string{"stage", "what"}),
	}
	m.open = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "chorus_stage_open_tasks", Help: "Rows of a stage that are open in the database, whoever works on them. The same in every replica.",
	}, []string{"stage"})
	m.oldest = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "chorus_stage_oldest_seconds", Help: "How long the oldest open row of a stage has been open. The same in every replica.",
	}, []string{"stage"})
	r.MustRegister(m.tasks, m.seconds, m.retries, m.sweeps, m.open, m.oldest)
	return m
}

// begin makes the series of a stage, so that their first change is seen as one.
func (m *Metrics) begin(stage string) {
	if m == nil {
		return
	}
	for _, result := range []string{resultDone, resultLater, resultReturned, resultDead} {
		m.tasks.WithLabelValues(stage, result)
	}
	for _, what := range []string{"taken", "due"} {
		m.sweeps.WithLabelValues(stage, what)
	}
	m.retries.WithLabelValues(stage)
}

func (m *Metrics) ended(stage, result string, n int) {
	if m != nil {
		m.tasks.WithLabelValues(stage, result).Add(float64(n))
	}
}

func (m *Metrics) worked(stage string, took time.Duration) {
	if m != nil {
		m.seconds.WithLabelValues(stage).Observe(took.Seconds())
	}
}

func (m *Metrics) retried(stage string) {
	if m != nil {
		m.retries.WithLabelValues(stage).Inc()
	}
}

func (m *Metrics) swept(stage string, taken, due, open int, oldest time.Duration) {
	if m != nil {
		m.open.WithLabelValues(stage).Set(float64(open))
		m.oldest.WithLabelValues(stage).Set(oldest.Seconds())
		m.sweeps.WithLabelValues(stage, "taken").Add(float64(taken))
		m.sweeps.WithLabelValues(stage, "due").Add(float64(due))
	}
}
