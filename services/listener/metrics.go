package listener

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/infra/metric"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/listener/incoming"
	"github.com/chorus-cast/chorus/services/listener/intake"
)

// Metrics holds the listener's metrics.
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

// malformed is the result of updates that can't be parsed.
const malformed intake.Result = "malformed"

// NewMetrics registers the listener's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	return &Metrics{
		updates:  metric.Counters(r, "chorus_listener_updates_total", "Updates that Telegram told, by kind and by what became of them.", "kind", "result"),
		calls:    metric.Counters(r, "chorus_listener_calls_total", "Calls to Telegram, by method and outcome.", "method", "outcome"),
		requests: metric.Counters(r, "chorus_listener_requests_total", "Requests to the webhook, by status.", "status"),
		commands: metric.Counters(r, "chorus_listener_commands_total", "Commands of people, by name and result.", "command", "result"),
		delay: metric.Histogram(r, "chorus_listener_write_seconds", "Time from an update's arrival until it is written down.",
			.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5),
		bots:    metric.Gauge(r, "chorus_listener_bots", "Bots that this process listens to."),
		failing: metric.Gauge(r, "chorus_listener_webhooks_failing", "Bots whose updates Telegram can't bring to the webhook, as it says."),
		pending: metric.Gauge(r, "chorus_listener_webhook_pending", "Updates that wait at Telegram, which is to bring them to the webhook."),
	}
}

func (m *Metrics) heard(updates []incoming.Update, results []intake.Result, took time.Duration) {
	m.delay.Observe(took.Seconds())
	for i, u := range updates {
		m.updates.WithLabelValues(string(u.Kind), string(results[i])).Inc()
	}
}

func (m *Metrics) malformed() { m.updates.WithLabelValues("", string(malformed)).Inc() }

func (m *Metrics) called(method string, out telegram.Outcome) {
	m.calls.WithLabelValues(method, out.Kind.String()).Inc()
}

func (m *Metrics) requested(status string) { m.requests.WithLabelValues(status).Inc() }

func (m *Metrics) commanded(name, result string) { m.commands.WithLabelValues(name, result).Inc() }

func (m *Metrics) listening(change float64) { m.bots.Add(change) }

// hooked adds changes to the numbers of failing webhooks and of waiting updates.
func (m *Metrics) hooked(failing, pending float64) {
	m.failing.Add(failing)
	m.pending.Add(pending)
}
