package chain

import (
	"context"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/chorus-cast/chorus/services/internal/infra/metric"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// Metrics counts the calls of chains.
type Metrics struct {
	calls    *prometheus.HistogramVec
	tokens   *prometheus.CounterVec
	cost     *prometheus.CounterVec
	refusals *prometheus.CounterVec
	open     *prometheus.GaugeVec
	budgets  *budgets
}

// NewMetrics registers the metrics of chains.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		calls: metric.Histograms(r, "chorus_llm_call_seconds", "Calls to text providers, by provider, purpose and outcome.",
			[]float64{.005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120, 300}, "provider", "purpose", "outcome"),
		tokens:   metric.Counters(r, "chorus_llm_tokens_total", "Tokens used, by provider and kind.", "provider", "kind"),
		cost:     metric.Counters(r, "chorus_llm_cost_total", "What calls cost by the configured prices, by provider.", "provider"),
		refusals: metric.Counters(r, "chorus_llm_passed_over_total", "How often a provider was not asked, by provider and reason.", "provider", "reason"),
		open:     metric.Gauges(r, "chorus_llm_breaker_open", "1 while the breaker of a provider is open, 0.5 while it tries one call.", "provider"),
		budgets: &budgets{
			about: prometheus.NewDesc("chorus_llm_budget_used_ratio", "The part of a provider's budget for the day (UTC) that is used up.", []string{"provider"}, nil),
			used:  map[string]func() float64{},
		},
	}
	if r != nil {
		r.MustRegister(m.budgets)
	}
	return m
}

func (m *Metrics) called(c usage.Call) {
	m.calls.WithLabelValues(c.Provider, string(c.Purpose), c.Outcome).Observe(c.Latency.Seconds())
	m.tokens.WithLabelValues(c.Provider, "prompt").Add(float64(c.PromptTokens))
	m.tokens.WithLabelValues(c.Provider, "completion").Add(float64(c.CompletionTokens))
	m.cost.WithLabelValues(c.Provider).Add(c.Cost)
}

func (m *Metrics) refused(provider, reason string) {
	m.refusals.WithLabelValues(provider, reason).Inc()
}

// spending registers the providers' budgets. Each scrape computes them for the current day.
func (m *Metrics) spending(links []Link, ledger Ledger, now func() time.Time) {
	m.budgets.mu.Lock()
	defer m.budgets.mu.Unlock()
	for _, l := range links {
		m.budgets.used[l.Name] = func() float64 { return l.Limits.Share(ledger.Spent(l.Name, now())) }
	}
}

// budgets computes the used share of budgets at each scrape, because they start again at midnight
// even without a call.
type budgets struct {
	about *prometheus.Desc
	mu    sync.Mutex
	used  map[string]func() float64 // by the provider's name
}

// Describe implements prometheus.Collector.
func (b *budgets) Describe(out chan<- *prometheus.Desc) { out <- b.about }

// Collect implements prometheus.Collector.
func (b *budgets) Collect(out chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for provider, used := range b.used {
		out <- prometheus.MustNewConstMetric(b.about, prometheus.GaugeValue, used(), provider)
	}
}

func (m *Metrics) breaker(provider string, state circuitbreaker.State) {
	m.open.WithLabelValues(provider).Set(map[circuitbreaker.State]float64{circuitbreaker.OpenState: 1, circuitbreaker.HalfOpenState: 0.5}[state])
}

// traceCall adds a call that has ended to the trace of its caller, with OpenTelemetry's attributes
// for calls to models: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
func traceCall(ctx context.Context, c usage.Call, err error) {
	turn := trace.SpanFromContext(ctx)
	if !turn.IsRecording() {
		return
	}
	_, span := turn.TracerProvider().Tracer("llm").Start(ctx, "generate text",
		trace.WithTimestamp(c.At), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("gen_ai.provider.name", c.Provider),
			attribute.String("gen_ai.response.model", c.Model),
			attribute.Int("gen_ai.usage.input_tokens", c.PromptTokens),
			attribute.Int("gen_ai.usage.output_tokens", c.CompletionTokens),
			attribute.String("chorus.purpose", string(c.Purpose)),
			attribute.String("chorus.outcome", c.Outcome),
		))
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End(trace.WithTimestamp(c.At.Add(c.Latency)))
}
