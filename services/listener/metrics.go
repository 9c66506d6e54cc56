package listener

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/listener/incoming"
	"github.com/chorus-cast/chorus/services/listener/intake"
)

// Metrics counts what the listener hears. A nil *Metrics counts nothing.
type Metrics struct {
	updates  *prometheus.CounterVec
	calls    *prometheus.CounterVec
	requests *prometheus.CounterVec
	commands *prometheus.CounterVec
	delay    prometheus.Histogram
	bots     prometheus.Gauge
	failing  prometheus.Gauge
	pending  prometheus.Gauge
}

// malformed is the result of updates that can't be read.
const malformed intake.Result = "malformed"

// NewMetrics registers the listener's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_listener_updates_total", Help: "Updates that Telegram told, by kind and by what became of them.",
		}, []string{"kind", "result"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_listener_calls_total", Help: "Calls to Telegram, by method and outcome.",
		}, []string{"method", "outcome"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_listener_requests_total", Help: "Requests to the webhook, by status.",
		}, []string{"status"}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_listener_commands_total", Help: "Commands of people, by name and result.",
		}, []string{"command", "result"}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chorus_listener_write_seconds", Help: "Time from an update's arrival until it is written down.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}),
		bots: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chorus_listener_bots", Help: "Bots that this process listens to.",
		}),
		failing: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chorus_listener_webhooks_failing", Help: "Bots whose updates Telegram can't bring to the webhook, as it says.",
		}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chorus_listener_webhook_pending", Help: "Updates that wait at Telegram, which is to bring them to the webhook.",
		}),
	}
	r.MustRegister(m.updates, m.calls, m.requests, m.commands, m.delay, m.bots, m.failing, m.pending)
	return m
}

func (m *Metrics) heard(updates []incoming.Update, results []intake.Result, took time.Duration) {
	if m == nil {
		return
	}
	m.delay.Observe(took.Seconds())
	for i, u := range updates {
		m.updates.WithLabelValues(string(u.Kind), string(results[i])).Inc()
	}
}

func (m *Metrics) malformed() {
	if m != nil {
		m.updates.WithLabelValues("", string(malformed)).Inc()
	}
}

func (m *Metrics) called(method string, out telegram.Outcome) {
	if m != nil {
		m.calls.WithLabelValues(method, out.Kind.String()).Inc()
	}
}

func (m *Metrics) requested(status string) {
	if m != nil {
		m.requests.WithLabelValues(status).Inc()
	}
}

func (m *Metrics) commanded(name, result string) {
	if m != nil {
		m.commands.WithLabelValues(name, result).Inc()
	}
}

func (m *Metrics) listening(change float64) {
	if m != nil {
		m.bots.Add(change)
	}
}

// hooked tells of changes in how many webhooks fail, and how many updates wait.
func (m *Metrics) hooked(failing, pending float64) {
	if m != nil {
		m.failing.Add(failing)
		m.pending.Add(pending)
	}
}
