package sender

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// Metrics counts what the sender does. A nil *Metrics counts nothing.
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
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chorus_telegram_call_seconds", Help: "Calls to Telegram, by method and outcome.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 35},
		}, []string{"method", "outcome"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_deliveries_total", Help: "Deliveries that ended, by action and outcome.",
		}, []string{"action", "outcome"}),
		endToEnd: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chorus_turn_seconds", Help: "From a turn's planning to its end, by action and outcome.",
			Buckets: []float64{.1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120, 300},
		}, []string{"action", "outcome"}),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chorus_sender_wait_seconds", Help: "From when a delivery was made until its first call, typing included, by action.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120},
		}, []string{"action"}),
		breakers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chorus_sender_breakers", Help: "Breakers of bots that are not closed, by state.",
		}, []string{"state"}),
	}
	m.lost = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chorus_sender_lost_total",
		Help: "Bots that Telegram refuses the token of (bot), and bots that can't act in a chat any more (membership).",
	}, []string{"what"})
	r.MustRegister(m.calls, m.deliveries, m.endToEnd, m.waits, m.breakers, m.lost)
	m.begin()
	return m
}

func (m *Metrics) called(method string, out telegram.Outcome, took time.Duration) {
	if m != nil {
		m.calls.WithLabelValues(method, out.Kind.String()).Observe(took.Seconds())
	}
}

func (m *Metrics) ended(d *chorusv1.Delivery, as chorusv1.Outcome, now time.Time) {
	if m == nil {
		return
	}
	action, outcome := subject.ActionName(d.GetAction()), subject.OutcomeName(as)
	m.deliveries.WithLabelValues(action, outcome).Inc()
	m.endToEnd.WithLabelValues(action, outcome).Observe(now.Sub(d.GetPlannedAt().AsTime()).Seconds())
}

// calling observes the wait of a delivery whose first call is about to be made.
func (m *Metrics) calling(d *chorusv1.Delivery, calls int, now time.Time) {
	if m != nil && calls == 0 {
		m.waits.WithLabelValues(subject.ActionName(d.GetAction())).Observe(now.Sub(d.GetCreatedAt().AsTime()).Seconds())
	}
}

// What the sender can lose until an operator helps.
const (
	lostBot        = "bot"
	lostMembership = "membership"
)

func (m *Metrics) lose(what string) {
	if m != nil {
		m.lost.WithLabelValues(what).Inc()
	}
}

func (m *Metrics) breaker(from, to circuitbreaker.State) {
	if m == nil {
		return
	}
	if from != circuitbreaker.ClosedState {
		m.breakers.WithLabelValues(from.String()).Dec()
	}
	if to != circuitbreaker.ClosedState {
		m.breakers.WithLabelValues(to.String()).Inc()
	}
}

// begin makes series, so that their first change is seen as one.
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
