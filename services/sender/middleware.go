package sender

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// client makes the delivery's calls. The breaker is outermost, because it asks whether
// this sender may be cut off, which each call tells. All calls of the sender are counted
// besides.
func (d *delivery) client(ctx context.Context) *telegram.Client {
	return d.Telegram.With(d.breakers.around(d.u.Delivery, d.connection.Suspect), telegram.Watch(d.heard), d.traced(ctx))
}

// traced puts each call into the trace of the delivery, which is that of a context.
func (d *delivery) traced(delivery context.Context) telegram.Middleware {
	tracer := trace.SpanFromContext(delivery).TracerProvider().Tracer("sender")
	return func(next telegram.Invoke) telegram.Invoke {
		return func(ctx context.Context, call *telegram.Call) telegram.Outcome {
			_, span := tracer.Start(delivery, call.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
				attribute.String("chorus.turn", subject.TurnID(d.u.GetId())), attribute.Int64("chorus.bot_id", d.u.GetBotId())))
			defer span.End()
			out := next(ctx, call)
			span.SetAttributes(attribute.Stringer("chorus.outcome", out.Kind), attribute.Int("http.response.status_code", out.Status))
			if !out.OK() {
				span.SetStatus(codes.Error, out.Description)
			}
			return out
		}
	}
}

// heard takes in whether Telegram answered.
func (d *delivery) heard(method string, out telegram.Outcome, _ time.Duration) {
	err := unanswered(out)
	if !out.TooLate {
		d.silent.Note(err)
		d.connection.Called(err == nil)
	}
	log := d.log.WithLazy(zap.String("method", method), zap.Stringer("outcome", out.Kind))
	switch {
	case err != nil:
		log.Debug("Telegram did not answer", zap.String("description", out.Description))
	case out.Kind != telegram.Done:
		log.Info("Telegram did not simply accept", zap.Int("status", out.Status), zap.String("description", out.Description))
	}
}
