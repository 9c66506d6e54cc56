package sender

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
)

// Caller is the part of Telegram that the sender needs.
type Caller interface {
	SendMessage(ctx context.Context, token secret.String, m telegram.Message) telegram.Outcome
	SetReaction(ctx context.Context, token secret.String, r telegram.Reaction) telegram.Outcome
	SendTyping(ctx context.Context, token secret.String, chatID int64) telegram.Outcome
	Reach(ctx context.Context) error
	refusal.Asker
}

var _ Caller = (*telegram.Client)(nil)

// call makes the call of a delivery, traces and counts it. Its context outlives the
// stage's, because a call that was begun should end. It is begun only while the claim
// holds: after a standstill another has dealt with it, and with what comes after it.
func (d *delivery) call(ctx context.Context) *telegram.Outcome {
	d.Metrics.calling(d.u.Delivery, d.state.calls, d.Now())
	kind, began := d.state.call(), time.Now()
	out := d.make(kind.Action)
	d.u.Calls++
	d.state.calls++
	d.state.token = unjudged
	d.out = out
	d.trace(ctx, kind.Method, began)
	d.Metrics.called(kind.Method, out.Kind, time.Since(began))
	d.heard(d.u.Delivery, out)
	log := d.log.With(zap.String("method", kind.Method), zap.Stringer("outcome", out.Kind))
	switch {
	case unanswered(out) != nil:
		log.Debug("Telegram did not answer", zap.String("description", out.Description))
	case out.Kind != telegram.Done:
		log.Info("Telegram did not simply accept", zap.Int("status", out.Status), zap.String("description", out.Description))
	}
	return &out
}

// make makes a call.
func (d *delivery) make(a chorusv1.Action) telegram.Outcome {
	if a == chorusv1.Action_ACTION_SET_REACTION {
		return d.react(d.u.Delivery, d.to, d.u.Until)
	}
	m := telegram.Message{ChatID: d.to.chat, Text: textOf(d.u.Delivery), ReplyTo: d.to.target, NotAfter: d.u.Until}
	if d.state.bare {
		m.ReplyTo = 0
	}
	return d.Telegram.SendMessage(d.calls, d.to.token, m)
}

// trace records the last call in the trace of its delivery.
func (d *delivery) trace(ctx context.Context, method string, began time.Time) {
	_, span := trace.SpanFromContext(ctx).TracerProvider().Tracer("sender").Start(ctx, method,
		trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("chorus.turn", subject.TurnID(d.u.GetId())),
			attribute.Int64("chorus.bot_id", d.u.GetBotId()),
			attribute.Stringer("chorus.outcome", d.out.Kind),
			attribute.Int("http.response.status_code", d.out.Status),
		))
	if !d.out.OK() {
		span.SetStatus(codes.Error, d.out.Description)
	}
	span.End()
}

// heard takes in whether Telegram answered. While this sender may be the one that is
// cut off, that is no news of Telegram, and opens no breaker.
func (s *Sender) heard(d *chorusv1.Delivery, out telegram.Outcome) {
	if !out.TooLate {
		err := unanswered(out)
		s.silent.Note(err)
		s.connection.Called(err == nil)
	}
	s.breakers.record(d, out, s.connection.Suspect())
}

// unanswered is an error where nothing came back from Telegram.
func unanswered(out telegram.Outcome) error {
	if out.Status != 0 || out.TooLate || out.Kind != telegram.NotSent && out.Kind != telegram.Unknown {
		return nil
	}
	return errors.New(out.Description)
}

// textOf is what is said: the text, or the emoji where there is none.
func textOf(d *chorusv1.Delivery) string { return cmp.Or(d.GetText(), d.GetEmoji()) }

// retryForever writes down what follows from a call. The call can't be repeated, so it
// retries until the write succeeds or the process stops; a later owner then closes the
// delivery as unknown.
func (s *Sender) retryForever(write func(context.Context) error) error {
	forever := retrypolicy.NewBuilder[any]().
		WithBackoff(50*time.Millisecond, 2*time.Second).WithJitterFactor(0.5).WithMaxAttempts(-1).
		ReturnLastFailure().
		Build()
	return failsafe.With(forever).WithContext(s.calls).Run(func() error {
		// Even what follows from a call that was cut off at shutdown is written.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.calls), dbTimeout)
		defer cancel()
		return write(ctx)
	})
}
