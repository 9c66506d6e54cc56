package sender

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// call makes the call of a delivery. Its context outlives the stage's, because a call
// that was begun should end. It is begun only while the claim holds: after a standstill
// another has dealt with it, and with what comes after it.
func (d *delivery) call(ctx context.Context) *telegram.Outcome {
	began := d.Now()
	out := d.attempt(d.client(ctx))
	if out.Withheld {
		return &out
	}
	d.Metrics.calling(d.u.Delivery, d.state.calls, began)
	d.u.Calls++
	d.state.calls++
	d.state.token = unjudged
	d.out = out
	return &out
}

// attempt is the call.
func (d *delivery) attempt(client *telegram.Client) telegram.Outcome {
	replyTo := d.to.target
	if d.state.bare {
		replyTo = 0
	}
	switch d.state.call().Action {
	case chorusv1.Action_ACTION_SET_REACTION:
		return d.react(client)
	case chorusv1.Action_ACTION_SEND_STICKER:
		s := telegram.Sticker{ChatID: d.to.chat, FileID: d.u.GetSticker(), ReplyTo: replyTo, NotAfter: d.u.Until}
		return client.SendSticker(d.calls, d.to.token, s)
	case chorusv1.Action_ACTION_UNSPECIFIED, chorusv1.Action_ACTION_SEND_MESSAGE:
	}
	m := telegram.Message{ChatID: d.to.chat, Text: textOf(d.u.Delivery), ReplyTo: replyTo, NotAfter: d.u.Until}
	return client.SendMessage(d.calls, d.to.token, m)
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
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.calls), store.Timeout)
		defer cancel()
		return write(ctx)
	})
}
