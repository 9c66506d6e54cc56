package bus

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
)

// Trace makes a span of each attempt at a message, as a child of the one that it
// was published in. It is called before consumers run.
func (b *Bus) Trace(t trace.Tracer) { b.tracer = t }

// published is a context with the span in it that a message was published in.
func published(ctx context.Context, d *delivery) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{headerTraceParent: d.Headers().Get(headerTraceParent)})
}

// logOf is a log whose lines name a message and its trace.
func (c *Consumer[T]) logOf(d *delivery) *zap.Logger {
	return telemetry.WithTrace(published(context.Background(), d), c.log).
		With(zap.String("subject", d.Subject()), zap.String("message", readable(d.Headers().Get(jetstream.MsgIDHeader))))
}

// traced runs a handler in a span that continues the trace of whoever published
// the message.
func (c *Consumer[T]) traced(ctx context.Context, d *delivery, handle func(context.Context) error) error {
	ctx, span := c.bus.tracer.Start(published(ctx, d), c.group.Name,
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("messaging.system", "nats"),
			attribute.String("messaging.destination.name", d.Subject()),
			attribute.String("messaging.message.id", d.Headers().Get(jetstream.MsgIDHeader)),
			attribute.Int64("messaging.nats.deliveries", int64(d.meta.NumDelivered)), //nolint:gosec // far below
		))
	defer span.End()
	err := handle(ctx)
	if err != nil {
		span.SetStatus(codes.Error, readable(err.Error()))
	}
	return err
}
