package telemetry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"
)

// hanging is a collector that never responds.
type hanging struct{}

func (hanging) ExportSpans(ctx context.Context, _ []sdk.ReadOnlySpan) error {
	<-ctx.Done()
	return ctx.Err()
}

func (hanging) Shutdown(context.Context) error { return nil }

func TestHangingCollectorHoldsNothingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracing := newTracing(TraceConfig{Ratio: 1}, resource.Empty(), newReporter(hanging{}, nil, zap.NewNop()))
		began := time.Now()
		for range 3 * queueSize {
			_, span := tracing.Tracer("test").Start(t.Context(), "send")
			span.End()
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("spans took %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := tracing.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != flushTimeout {
			t.Errorf("the end took %v, want %v", took, flushTimeout)
		}
	})
}
