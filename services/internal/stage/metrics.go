package stage

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/infra/metric"
)

// Metrics holds the metrics of stages.
type Metrics struct {
	tasks   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	retries *prometheus.CounterVec
	sweeps  *prometheus.CounterVec
	open    *prometheus.GaugeVec
	oldest  *prometheus.GaugeVec
}

// The results of tasks.
const (
	resultDone     = "done"
	resultLater    = "later"
	resultReturned = "returned"
	resultDead     = "dead"
)

// NewMetrics registers the metrics of stages.
func NewMetrics(r prometheus.Registerer) *Metrics {
	return &Metrics{
		tasks: metric.Counters(r, "chorus_stage_tasks_total",
			"Tasks that a stage is done with, by result: done, later (it has to wait), returned (the process ended), dead.", "stage", "result"),
		seconds: metric.Histograms(r, "chorus_stage_task_seconds", "How long a stage worked on a task, waits and retries in place included.",
			[]float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}, "stage"),
		retries: metric.Counters(r, "chorus_stage_retries_total", "Failed attempts at tasks that were tried again in place.", "stage"),
		sweeps: metric.Counters(r, "chorus_stage_swept_total",
			"What sweeps found: tasks taken over from processes that died or stood still (taken), chats whose ring was lost or whose time had come (due).",
			"stage", "what"),
		open: metric.Gauges(r, "chorus_stage_open_tasks",
			"Rows of a stage that are open in the database, whoever works on them. The same in every replica.", "stage"),
		oldest: metric.Gauges(r, "chorus_stage_oldest_seconds", "How long the oldest open row of a stage has been open. The same in every replica.", "stage"),
	}
}

// begin creates a stage's series, so that their first increment is visible.
func (m *Metrics) begin(stage string) {
	for _, result := range []string{resultDone, resultLater, resultReturned, resultDead} {
		m.tasks.WithLabelValues(stage, result)
	}
	for _, what := range []string{"taken", "due"} {
		m.sweeps.WithLabelValues(stage, what)
	}
	m.retries.WithLabelValues(stage)
}

func (m *Metrics) ended(stage, result string, n int) {
	m.tasks.WithLabelValues(stage, result).Add(float64(n))
}

func (m *Metrics) worked(stage string, took time.Duration) {
	m.seconds.WithLabelValues(stage).Observe(took.Seconds())
}

func (m *Metrics) retried(stage string) { m.retries.WithLabelValues(stage).Inc() }

func (m *Metrics) swept(stage string, taken, due, open int, oldest time.Duration) {
	m.open.WithLabelValues(stage).Set(float64(open))
	m.oldest.WithLabelValues(stage).Set(oldest.Seconds())
	m.sweeps.WithLabelValues(stage, "taken").Add(float64(taken))
	m.sweeps.WithLabelValues(stage, "due").Add(float64(due))
}
