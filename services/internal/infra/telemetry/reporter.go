package telemetry

import (
	"context"
	"net/http"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"
)

// reporter is an exporter that can be told to give up, and that logs when it
// begins to fail and when it works again. The SDK would write every failure to
// standard error, past the log, and go on sending after its deadline, batch by
// batch.
type reporter struct {
	sdk.SpanExporter

	// client is what the exporter sends with; nil for none of its own.
	client *http.Client
	log    *zap.Logger
	failed atomic.Bool

	// lifetime ends when the reporter gives up, and closed is closed when the
	// SDK has let go of it.
	lifetime context.Context //nolint:containedctx // it is the lifetime of the exporter
	giveUp   context.CancelFunc
	closed   chan struct{}
}

func newReporter(exporter sdk.SpanExporter, client *http.Client, log *zap.Logger) *reporter {
	r := &reporter{SpanExporter: exporter, client: client, log: log, closed: make(chan struct{})}
	r.lifetime, r.giveUp = context.WithCancel(context.Background())
	return r
}

// ExportSpans never fails: nobody could do more about it than to log it.
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
