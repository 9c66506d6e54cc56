package sender

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

// delivery is a claimed delivery in work.
type delivery struct {
	*Sender

	u     *journal.Unsent
	rows  *journal.Deliveries
	state state
	to    *address         // nil before the look-up
	out   telegram.Outcome // the last call's
	typed bool             // the bot was shown typing
	log   *zap.Logger
	// refusal is Telegram's refusal before the fallback.
	refusal *telegram.Outcome
}

// stage returns the stage that sends the deliveries of a lane.
func (s *Sender) stage(lane journal.Lane, rings bus.Queue) *stage.Stage[*journal.Unsent, journal.Sent] {
	rows := s.journal.Deliveries(lane, journal.Claims{Owner: s.Lease.Owner(), Lease: s.cfg.Lease})
	return stage.New(stage.Config{
		Name: rings.Name, MaxInFlight: s.cfg.MaxInFlight, MaxAttempts: maxAttempts, MaxWait: s.cfg.ShortWait, Lease: s.cfg.Lease, Grace: s.cfg.Grace,
	}, rows, stage.Deps{
		Rings: s.Bus.Rings(rings), Holds: s.Lease.Held, Now: s.Now, Tracer: s.Tracer, Metrics: s.Stages, Log: s.Log,
		Ended: func(ended []stage.Task) { s.Bus.Tell(subject.Sent, &chorusv1.Event{Turns: journal.TurnsOf(ended)}) },
	}, func(ctx context.Context, u *journal.Unsent) (journal.Sent, error) { return s.deliver(ctx, rows, u) })
}

// deliver sends a delivery and returns its result. It returns an error only if its call
// certainly had no effect or may be repeated. Then the row waits and is claimed again.
func (s *Sender) deliver(ctx context.Context, rows *journal.Deliveries, u *journal.Unsent) (journal.Sent, error) {
	if u.GetBotId() == 0 {
		return journal.Sent{}, fail.AsPermanent(errors.New("its row can't be read"))
	}
	d := &delivery{Sender: s, u: u, rows: rows, log: telemetry.WithTrace(ctx, s.Log).WithLazy(zap.String("turn", subject.TurnID(u.GetId())))}
	kind := journal.KindOf(u.GetAction())
	d.state = state{
		kind: kind, answers: u.GetTargetMessage() != 0,
		fallsBack: kind.Fallback != 0 && u.GetFallback() == chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE, fallback: u.Step == journal.Fallback,
		takenOver: u.TakenOver && u.Calls == 0, calls: u.Attempts() + u.Calls,
	}
	var out *telegram.Outcome
	for {
		if out == nil && d.late(s.Now()) && d.state.over == "" {
			d.state.over = "its time was over before it could be sent"
		}
		st := next(d.state, out, s.policy)
		if st.do == doEnd {
			return d.end(st), nil
		}
		var err error
		if out, err = d.execute(ctx, st, out); errors.Is(err, journal.ErrFenced) {
			err = stage.Later(s.Now()) // another process has the delivery
		}
		if err != nil {
			return journal.Sent{}, err
		}
	}
}

func (d *delivery) late(at time.Time) bool { return !at.Before(d.u.GetExpiresAt().AsTime()) }

// execute executes a step. It returns the outcome for the next step: that of a call, or nil
// before one.
func (d *delivery) execute(ctx context.Context, st step, out *telegram.Outcome) (*telegram.Outcome, error) {
	switch st.do {
	case doCall:
		if ready, err := d.prepare(ctx); err != nil || !ready {
			return nil, err
		}
		return d.call(ctx), nil
	case doFallBack:
		d.state.fallback, d.state.refused = true, out.Description
		if out.Status != 0 {
			d.refusal = out
		}
		return nil, nil //nolint:nilnil // the next step makes a call
	case doSendBare:
		d.state.bare = true
		return nil, nil //nolint:nilnil // the next step makes a call
	case doRest:
		return nil, d.rest(ctx, probeWait)
	case doWait:
		return nil, d.holdBack(ctx, out.RetryAfter)
	case doMove:
		return nil, d.move(out.MigrateTo)
	case doSuspend:
		d.state.suspended = true
		return out, d.suspend(out.Description)
	case doJudge:
		d.state.token = d.judgeToken(out.Description)
		return out, nil
	case doRetry:
		return nil, errors.Join(fail.AsTransient(errors.New(out.Description)), d.pause(ctx))
	case doGiveBack:
		return nil, stage.Later(d.Now())
	case doEnd:
	}
	return nil, fail.AsPermanent(fmt.Errorf("a step that nobody knows: %d", st.do))
}

// prepare looks up the delivery's address and waits until the call may be made. It returns
// false if the delivery has to end or its state has changed.
func (d *delivery) prepare(ctx context.Context) (ready bool, err error) {
	if d.to == nil {
		if d.to, err = d.address(ctx, d.u); err != nil {
			return false, err
		}
		d.breakers.named(d.u.GetBotId(), d.to.bot)
		d.log = d.log.WithLazy(zap.String("bot", d.to.bot))
		if d.state.blocked = d.to.blocked; d.state.blocked != "" {
			return false, nil
		}
	}
	until, err := d.wait(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case until.IsZero():
	case d.late(until):
		d.state.over = fmt.Sprintf("it would have to wait until %s, longer than it is good for", until.UTC().Format(time.TimeOnly))
		return false, nil
	default:
		return false, stage.Later(until)
	}
	if d.late(d.Now()) {
		d.state.over = "its time was over before its turn came"
		return false, nil
	}
	return d.begin(ctx)
}

// begin records that the call may be made from now on, unless the row says so already. It
// returns false if the bot was told to wait in the meantime.
func (d *delivery) begin(ctx context.Context) (ready bool, err error) {
	if !d.Lease.Held() {
		// Another process may be taking the delivery over at this moment. The row decides.
		return false, errors.Join(fail.AsUnavailable(errUnseen), d.pause(ctx))
	}
	at := journal.Action
	if d.state.fallback {
		at = journal.Fallback
	}
	if !d.u.Calling || d.u.Step != at {
		if err := d.rows.Begin(ctx, d.u, at); err != nil {
			return false, err
		}
	}
	if time.Until(d.u.WaitUntil) > 0 {
		return false, nil
	}
	return true, ctx.Err()
}

var errUnseen = errors.New("other processes don't see that this one lives")

// pause records that no call is under way, if the row says that one may be.
func (d *delivery) pause(ctx context.Context) error {
	if !d.u.Calling {
		return nil
	}
	return d.rows.Pause(context.WithoutCancel(ctx), d.u)
}

// rest records that no call is under way, and waits.
func (d *delivery) rest(ctx context.Context, length time.Duration) error {
	if err := d.pause(ctx); err != nil {
		return err
	}
	return sleep(ctx, length)
}

// holdBack handles a 429. This sender stops the bot's calls in the chat at once. Other
// senders read the wait from the rows when they claim or begin a delivery, even without
// Redis.
func (d *delivery) holdBack(ctx context.Context, length time.Duration) error {
	cooled := d.limits.cool(ctx, d.u.Delivery, length)
	began := time.Now()
	err := d.retryForever(func(ctx context.Context) error {
		left := length - time.Since(began) // the write may have been delayed
		if left <= 0 {
			return nil
		}
		return d.journal.Wait(ctx, d.u.GetBotId(), d.u.Chat(), left, d.cfg.FloodWindow)
	})
	d.u.WaitUntil = began.Add(length)
	return errors.Join(cooled, err, d.pause(ctx))
}

// move records that a group became a supergroup.
func (d *delivery) move(to int64) error {
	from := d.to.chat
	d.state.moved, d.to = true, nil
	defer d.changed(d.u.Delivery)
	return d.retryForever(func(ctx context.Context) error { return rosterpg.MoveChat(ctx, d.Pool, d.u.Chat(), from, to) })
}

// suspend suspends the bot in the chat until Telegram lets it act there again.
func (d *delivery) suspend(why string) error {
	var begun rosterpg.Suspension
	err := d.retryForever(func(ctx context.Context) (err error) {
		begun, err = rosterpg.Suspend(ctx, d.Pool, d.u.Chat(), d.u.GetBotId(), why)
		return err
	})
	if err != nil {
		return err
	}
	d.changed(d.u.Delivery)
	d.Metrics.lose(lostMembership)
	if begun.First { // one line at the beginning; another when the bot can act again
		d.log.Warn("the bot can't act in the chat: it is suspended there, and tried again later", zap.String("reason", why))
	} else {
		d.log.Info("the bot still can't act in the chat", zap.String("reason", why))
	}
	return nil
}

// judgeToken checks whether the bot's token is valid, and stops the bot if it isn't.
func (d *delivery) judgeToken(why string) verdict {
	stopped, err := d.judge.Refused(d.calls, refusal.Token{Bot: d.u.GetBotId(), Sealed: d.to.sealed, Opened: d.to.token})
	switch {
	case err != nil:
		d.log.Warn("a bot was not stopped whose token Telegram refuses", zap.Error(err))
		return tokenUnclear
	case !stopped:
		return tokenGood
	}
	d.changed(d.u.Delivery)
	d.Metrics.lose(lostBot)
	d.log.Error("Telegram refuses the bot's token: the bot is stopped, and tried again later", zap.String("reason", why))
	return tokenRefused
}

// end returns the delivery's result.
func (d *delivery) end(st step) journal.Sent {
	sent := journal.Sent{Outcome: st.outcome, Reason: st.reason}
	delivered := st.outcome == chorusv1.Outcome_OUTCOME_DELIVERED || st.outcome == chorusv1.Outcome_OUTCOME_FELL_BACK
	if delivered && d.out.MessageID > 0 {
		// Times of messages, people's and bots', are by Telegram's clock.
		m := &journal.Message{Viewer: d.to.viewer(d.u.GetBotId()), TelegramID: d.out.MessageID, Text: textOf(d.u.Delivery), At: d.out.SentAt}
		if m.At.IsZero() {
			m.At = d.Now()
		}
		if d.to.target > 0 && !d.state.bare {
			m.ReplyTo = d.u.GetTargetMessage()
		}
		sent.Message = m
	}
	switch {
	case d.refusal != nil && delivered:
		d.pauseRejected(d.u.Delivery, d.state.kind.Action, *d.refusal)
	case st.rejects:
		d.pauseRejected(d.u.Delivery, d.state.call().Action, d.out)
	}
	d.Metrics.ended(d.u.Delivery, st.outcome, d.Now())
	return sent
}

// call makes the delivery's call. Its context outlives the stage's, so that a begun call
// can end. The call begins only while the claim is valid: after a stall another process may
// have ended this delivery and the ones behind it.
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

// attempt makes the delivery's call to Telegram.
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
	case chorusv1.Action_ACTION_EDIT_MESSAGE:
		// If the bot can't know the message, its id is 0, which Telegram refuses.
		e := telegram.Edit{ChatID: d.to.chat, MessageID: d.to.target, Text: d.u.GetText(), NotAfter: d.u.Until}
		return client.EditMessage(d.calls, d.to.token, e)
	case chorusv1.Action_ACTION_UNSPECIFIED, chorusv1.Action_ACTION_SEND_MESSAGE:
	}
	m := telegram.Message{ChatID: d.to.chat, Text: textOf(d.u.Delivery), ReplyTo: replyTo, NotAfter: d.u.Until}
	for _, b := range d.u.GetButtons() {
		m.Buttons = append(m.Buttons, telegram.Button{Text: b.GetText(), Data: b.GetData()})
	}
	return client.SendMessage(d.calls, d.to.token, m)
}

// unanswered returns an error if Telegram didn't respond.
func unanswered(out telegram.Outcome) error {
	if out.Status != 0 || out.TooLate || out.Kind != telegram.NotSent && out.Kind != telegram.Unknown {
		return nil
	}
	return errors.New(out.Description)
}

// textOf returns the delivery's text, or its emoji if there is no text.
func textOf(d *chorusv1.Delivery) string { return cmp.Or(d.GetText(), d.GetEmoji()) }

// retryForever stores the consequences of a call. The call can't be repeated, so it retries
// until the write succeeds or the process stops; a later owner then closes the delivery as
// unknown.
func (s *Sender) retryForever(write func(context.Context) error) error {
	forever := retrypolicy.NewBuilder[any]().
		WithBackoff(50*time.Millisecond, 2*time.Second).WithJitterFactor(0.5).WithMaxAttempts(-1).
		ReturnLastFailure().
		Build()
	return failsafe.With(forever).WithContext(s.calls).Run(func() error {
		// The first try runs even after a shutdown has cut the call off.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.calls), store.Timeout)
		defer cancel()
		return write(ctx)
	})
}

// client returns the client for the delivery's calls. The breaker is outermost: whether a
// failure counts depends on whether this sender may be cut off, and the inner middleware
// learns that from each call.
func (d *delivery) client(ctx context.Context) *telegram.Client {
	return d.Telegram.With(d.breakers.around(d.u.Delivery, d.connection.Suspect), telegram.Watch(d.observe), d.traced(ctx))
}

// traced returns middleware that adds a span for each call to the delivery's trace.
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

// observe records whether Telegram responded to a call.
func (d *delivery) observe(method string, out telegram.Outcome, _ time.Duration) {
	err := unanswered(out)
	if !out.TooLate {
		d.telegramOutages.Note(err)
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
