package sender

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/metric"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// Metrics holds the sender's metrics.
type Metrics struct {
	calls      *prometheus.HistogramVec
	deliveries *prometheus.CounterVec
	endToEnd   *prometheus.HistogramVec
	waits      *prometheus.HistogramVec
	breakers   *prometheus.GaugeVec
	lost       *prometheus.CounterVec
}

// NewMetrics registers the sender's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		calls: metric.Histograms(r, "chorus_telegram_call_seconds", "Calls to Telegram, by method and outcome.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 35}, "method", "outcome"),
		deliveries: metric.Counters(r, "chorus_deliveries_total", "Deliveries that ended, by action and outcome.", "action", "outcome"),
		endToEnd: metric.Histograms(r, "chorus_turn_seconds", "From a turn's planning to its end, by action and outcome.",
			[]float64{.1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120, 300}, "action", "outcome"),
		waits: metric.Histograms(r, "chorus_sender_wait_seconds", "From when a delivery was made until its first call, typing included, by action.",
			[]float64{.01, .05, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120}, "action"),
		breakers: metric.Gauges(r, "chorus_sender_breakers", "Breakers of bots that are not closed, by state.", "state"),
		lost: metric.Counters(r, "chorus_sender_lost_total",
			"Bots that Telegram refuses the token of (bot), and bots that can't act in a chat any more (membership).", "what"),
	}
	m.begin()
	return m
}

func (m *Metrics) called(method string, out telegram.Outcome, took time.Duration) {
	m.calls.WithLabelValues(method, out.Kind.String()).Observe(took.Seconds())
}

func (m *Metrics) ended(d *chorusv1.Delivery, as chorusv1.Outcome, now time.Time) {
	action, outcome := subject.ActionName(d.GetAction()), subject.OutcomeName(as)
	m.deliveries.WithLabelValues(action, outcome).Inc()
	m.endToEnd.WithLabelValues(action, outcome).Observe(now.Sub(d.GetPlannedAt().AsTime()).Seconds())
}

// calling records the wait of a delivery before its first call.
func (m *Metrics) calling(d *chorusv1.Delivery, calls int, now time.Time) {
	if calls == 0 {
		m.waits.WithLabelValues(subject.ActionName(d.GetAction())).Observe(now.Sub(d.GetCreatedAt().AsTime()).Seconds())
	}
}

// What can be lost until an operator helps.
const (
	lostBot        = "bot"
	lostMembership = "membership"
)

func (m *Metrics) lose(what string) { m.lost.WithLabelValues(what).Inc() }

func (m *Metrics) breaker(from, to circuitbreaker.State) {
	if from != circuitbreaker.ClosedState {
		m.breakers.WithLabelValues(from.String()).Dec()
	}
	if to != circuitbreaker.ClosedState {
		m.breakers.WithLabelValues(to.String()).Inc()
	}
}

// begin creates the series, so that their first increment is visible.
func (m *Metrics) begin() {
	for _, kind := range journal.Kinds() {
		for number := range chorusv1.Outcome_name {
			outcome := chorusv1.Outcome(number)
			if outcome != chorusv1.Outcome_OUTCOME_UNSPECIFIED && outcome != chorusv1.Outcome_OUTCOME_PASSED {
				m.deliveries.WithLabelValues(subject.ActionName(kind.Action), subject.OutcomeName(outcome))
			}
		}
	}
	for _, what := range []string{lostBot, lostMembership} {
		m.lost.WithLabelValues(what)
	}
	for _, state := range []circuitbreaker.State{circuitbreaker.OpenState, circuitbreaker.HalfOpenState} {
		m.breakers.WithLabelValues(state.String())
	}
}
