package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

const (
	// queueSize limits the spans that wait for the collector, about 1 KB each. Spans beyond
	// it are dropped: traces never block anything.
	queueSize     = 2048
	exportTimeout = 5 * time.Second
	flushTimeout  = 3 * time.Second
)

// Tracing creates and exports the spans of a process. It is safe for concurrent use.
type Tracing struct {
	provider *sdk.TracerProvider
	// reporter is nil if nothing is recorded.
	reporter *reporter
}

// NewTracing returns the tracing of a service. Without an endpoint nothing is recorded, but
// spans still have ids, which connect the lines of logs. A collector that doesn't respond
// causes lost spans and one warning, nothing else.
//
// Run must be called, or the last spans are lost.
func NewTracing(ctx context.Context, cfg TraceConfig, service string, build Build, log *zap.Logger) (*Tracing, error) {
	if cfg.Endpoint == "" {
		return &Tracing{provider: sdk.NewTracerProvider(sdk.WithSampler(sdk.NeverSample()))}, nil
	}
	about, err := resource.New(ctx, resource.WithFromEnv(), resource.WithHost(), resource.WithAttributes(
		attribute.String("service.namespace", "chorus"),
		attribute.String("service.name", service),
		attribute.String("service.version", build.Version),
	))
	if err != nil {
		return nil, fmt.Errorf("describe the service for traces: %w", err)
	}
	transport, _ := http.DefaultTransport.(*http.Transport) // it is one unless the program replaced it
	client := &http.Client{Transport: transport.Clone(), Timeout: exportTimeout}
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithHTTPClient(client),
		otlptracehttp.WithEndpointURL(strings.TrimSuffix(strings.TrimSuffix(cfg.Endpoint, "/"), "/v1/traces")+"/v1/traces"),
		otlptracehttp.WithTimeout(exportTimeout),
		// A failed batch is dropped: the next one follows soon.
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}),
	)
	if err != nil {
		return nil, fmt.Errorf("trace.endpoint: %w", err)
	}
	return newTracing(cfg, about, newReporter(exporter, client, log)), nil
}

func newTracing(cfg TraceConfig, about *resource.Resource, r *reporter) *Tracing {
	return &Tracing{reporter: r, provider: sdk.NewTracerProvider(
		sdk.WithResource(about),
		// The sampling decision of a turn's first service applies to all later ones.
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(cfg.Ratio))),
		sdk.WithBatcher(r, sdk.WithMaxQueueSize(queueSize), sdk.WithExportTimeout(exportTimeout)),
	)}
}

// Tracer returns a tracer named after a package.
func (t *Tracing) Tracer(name string) trace.Tracer { return t.provider.Tracer(name) }

// Run waits for the end of the context and then exports the remaining spans, for three
// seconds at most. Later spans are lost.
func (t *Tracing) Run(ctx context.Context) error {
	<-ctx.Done()
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	err := t.provider.Shutdown(flush)
	if t.reporter != nil {
		t.reporter.giveUp()
		<-t.reporter.closed
	}
	if err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// reporter is an exporter that can be aborted, and that logs when it begins to fail and
// when it works again. The SDK alone would write every failure to standard error, past the
// log, and would go on exporting batches after its deadline.
type reporter struct {
	sdk.SpanExporter

	// client is the exporter's HTTP client; nil for none.
	client *http.Client
	log    *zap.Logger
	failed atomic.Bool

	// lifetime ends when the reporter is aborted. closed is closed when the SDK has shut it
	// down.
	lifetime context.Context //nolint:containedctx // it is the lifetime of the exporter
	giveUp   context.CancelFunc
	closed   chan struct{}
}

func newReporter(exporter sdk.SpanExporter, client *http.Client, log *zap.Logger) *reporter {
	r := &reporter{SpanExporter: exporter, client: client, log: log, closed: make(chan struct{})}
	r.lifetime, r.giveUp = context.WithCancel(context.Background())
	return r
}

// ExportSpans never fails: callers could only log the error.
func (r *reporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.lifetime, cancel)()
	err := r.SpanExporter.ExportSpans(ctx, spans)
	switch before := r.failed.Swap(err != nil); {
	case err != nil && !before:
		r.log.Warn("traces are lost: the collector does not take them", zap.Error(err))
	case err == nil && before:
		r.log.Info("the collector takes traces again")
	}
	return nil
}

// Shutdown is called once, when nothing is left to export.
func (r *reporter) Shutdown(ctx context.Context) error {
	defer close(r.closed)
	if r.client != nil {
		defer r.client.CloseIdleConnections()
	}
	return r.SpanExporter.Shutdown(ctx) //nolint:wrapcheck // a decorator adds nothing
}
