package sender

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// traceCall records a call that has ended in the trace of its delivery. The call
// itself has a context that outlives the delivery's.
func traceCall(ctx context.Context, d *chorusv1.Delivery, method string, began time.Time, out telegram.Outcome) {
	_, span := trace.SpanFromContext(ctx).TracerProvider().Tracer("sender").Start(ctx, method,
		trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("chorus.turn", subject.TurnID(d.GetId())),
			attribute.Int64("chorus.bot_id", d.GetBotId()),
			attribute.Stringer("chorus.outcome", out.Kind),
			attribute.Int("http.response.status_code", out.Status),
		))
	if !out.OK() {
		span.SetStatus(codes.Error, out.Description)
	}
	span.End()
}
