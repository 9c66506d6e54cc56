package generator

import (
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/llm"
)

// Metrics counts what the generator does. A nil *Metrics counts nothing.
type Metrics struct {
	texts  *prometheus.HistogramVec
	tokens *prometheus.CounterVec
	ends   *prometheus.CounterVec
}

// NewMetrics registers the generator's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		texts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chorus_llm_call_seconds", Help: "Texts asked of the provider, by outcome.",
			Buckets: []float64{.005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30},
		}, []string{"outcome"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_llm_tokens_total", Help: "Tokens used, by kind.",
		}, []string{"kind"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_generator_closed_total", Help: "Turns that ended before they had a delivery, by outcome.",
		}, []string{"outcome"}),
	}
	r.MustRegister(m.texts, m.tokens, m.ends)
	return m
}

func (m *Metrics) wrote(r llm.Response, err error, took time.Duration) {
	if m == nil {
		return
	}
	outcome := "written"
	switch {
	case err == nil:
		m.tokens.WithLabelValues("prompt").Add(float64(r.Usage.PromptTokens))
		m.tokens.WithLabelValues("completion").Add(float64(r.Usage.CompletionTokens))
	case errors.Is(err, circuitbreaker.ErrOpen):
		outcome = "breaker_open"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		outcome = "given_up"
	case errors.Is(err, llm.ErrPermanent):
		outcome = "permanent"
	case errors.Is(err, llm.ErrThrottled):
		outcome = "throttled"
	default:
		outcome = "transient"
	}
	m.texts.WithLabelValues(outcome).Observe(took.Seconds())
}

func (m *Metrics) closed(outcome chorusv1.Outcome) {
	if m != nil {
		m.ends.WithLabelValues(subject.OutcomeName(outcome)).Inc()
	}
}
