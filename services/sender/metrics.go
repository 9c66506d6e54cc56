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
	calls     *prometheus.HistogramVec
	receipts  *prometheus.CounterVec
	endToEnd  *prometheus.HistogramVec
	waits     *prometheus.HistogramVec
	parkedSum prometheus.Counter
	breakers  *prometheus.GaugeVec
	lost      *prometheus.CounterVec
}

// NewMetrics registers the sender's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chorus_telegram_call_seconds", Help: "Calls to Telegram, by method and outcome.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 35},
		}, []string{"method", "outcome"}),
		receipts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_receipts_total", Help: "Turns that ended, by action and outcome.",
		}, []string{"action", "outcome"}),
		endToEnd: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chorus_turn_seconds", Help: "From a turn's planning to its end, by action and outcome.",
			Buckets: []float64{.1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120, 300},
		}, []string{"action", "outcome"}),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chorus_sender_wait_seconds", Help: "From when a delivery was made until its first call, typing included, by action.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120},
		}, []string{"action"}),
		parkedSum: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chorus_sender_parked_total", Help: "Deliveries put off in the journal because of a long wait.",
		}),
		breakers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chorus_sender_breakers", Help: "Breakers of bots that are not closed, by state.",
		}, []string{"state"}),
	}
	m.lost = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chorus_sender_lost_total",
		Help: "Bots that Telegram refuses the token of (bot), and bots that can't act in a chat any more (membership).",
	}, []string{"what"})
	r.MustRegister(m.calls, m.receipts, m.endToEnd, m.waits, m.parkedSum, m.breakers, m.lost)
	m.begin()
	return m
}

func (m *Metrics) called(method string, kind telegram.Kind, took time.Duration) {
	if m != nil {
		m.calls.WithLabelValues(method, kind.String()).Observe(took.Seconds())
	}
}

func (m *Metrics) closed(r *chorusv1.Receipt) {
	if m == nil {
		return
	}
	action, outcome := subject.ActionName(r.GetAction()), subject.OutcomeName(r.GetOutcome())
	m.receipts.WithLabelValues(action, outcome).Inc()
	m.endToEnd.WithLabelValues(action, outcome).Observe(r.GetClosedAt().AsTime().Sub(r.GetPlannedAt().AsTime()).Seconds())
}

// claimed observes the wait of a delivery whose first call is about to be made.
func (m *Metrics) claimed(d *chorusv1.Delivery, c *journal.Claim, now time.Time) {
	if m != nil && c.Attempts == 1 {
		m.waits.WithLabelValues(subject.ActionName(d.GetAction())).Observe(now.Sub(d.GetCreatedAt().AsTime()).Seconds())
	}
}

func (m *Metrics) parked() {
	if m != nil {
		m.parkedSum.Inc()
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
	for _, action := range []chorusv1.Action{chorusv1.Action_ACTION_SEND_MESSAGE, chorusv1.Action_ACTION_SET_REACTION} {
		for number := range chorusv1.Outcome_name {
			if outcome := chorusv1.Outcome(number); outcome != chorusv1.Outcome_OUTCOME_UNSPECIFIED {
				m.receipts.WithLabelValues(subject.ActionName(action), subject.OutcomeName(outcome))
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
