package telemetry

import (
	"context"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"
)

// reporter logs when an exporter begins to fail and when it works again. The
// SDK would write every failure to standard error, past the log.
type reporter struct {
	sdk.SpanExporter

	log    *zap.Logger
	failed atomic.Bool
}

// ExportSpans never fails: nobody could do more about it than to log it.
func (r *reporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := r.SpanExporter.ExportSpans(ctx, spans)
	switch before := r.failed.Swap(err != nil); {
	case err != nil && !before:
		r.log.Warn("traces are lost: the collector does not take them", zap.Error(err))
	case err == nil && before:
		r.log.Info("the collector takes traces again")
	}
	return nil
}
