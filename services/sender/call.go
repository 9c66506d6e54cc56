package sender

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// attempt makes the call that was claimed.
func (s *Sender) attempt(ctx context.Context, d *chorusv1.Delivery, to *address, claim *journal.Claim, p *progress) error {
	if claim.Step == journal.Fallback && !p.fallback {
		// It was refused in another pass over it: its tokens are those of a message.
		p.fallback = true
		return s.again(s.release(claim))
	}
	if !s.breakers.permit(d) {
		if err := s.again(s.release(claim)); !errors.Is(err, errAgain) {
			return err
		}
		if err := sit(ctx, probeWait); err != nil {
			return err
		}
		return errAgain
	}
	began := time.Now()
	out := s.call(ctx, d, to, claim, p.bare)
	traceCall(ctx, d, methodOf(d, claim.Step), began, out)
	s.Metrics.called(methodOf(d, claim.Step), out.Kind, time.Since(began))
	s.heard(d, out)
	log := telemetry.WithTrace(ctx, s.Log).With(zap.String("turn", subject.TurnID(d.GetId())), zap.String("bot", to.bot), zap.String("step", string(claim.Step)),
		zap.Stringer("outcome", out.Kind))
	switch {
	case unanswered(out) != nil:
		log.Debug("Telegram did not answer", zap.String("description", out.Description))
	case out.Kind != telegram.Done:
		log.Info("Telegram did not simply accept", zap.Int("status", out.Status), zap.String("description", out.Description))
	}
	switch out.Kind {
	case telegram.Done, telegram.DoneInDisguise:
		err := s.finish(d, to, claim, delivered(claim), out, p.bare)
		if err == nil && p.refused != nil {
			s.rest(d, setReaction, *p.refused)
		}
		return err
	case telegram.RateLimited:
		return s.holdBack(ctx, d, claim, out.RetryAfter)
	case telegram.NotSent:
		return s.notSent(claim, out)
	case telegram.Unknown:
		return s.unknown(d, to, claim, out)
	case telegram.Moved:
		if err := s.retryForever(func(ctx context.Context) error { return s.move(ctx, d, out.MigrateTo) }); err != nil {
			return err
		}
		return s.again(s.release(claim))
	case telegram.PermanentMembership:
		return s.noMember(d, to, claim, out, p, log)
	case telegram.PermanentBot:
		return s.noBot(d, to, claim, out, p, log)
	case telegram.PermanentAction:
		return s.rejected(d, to, claim, out, p)
	}
	return s.finish(d, to, claim, chorusv1.Outcome_OUTCOME_REJECTED, out, p.bare)
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

// holdBack obeys a 429: this sender at once, the others because they claim nothing of
// that bot in that chat any more, whether or not they hear of it through Redis.
func (s *Sender) holdBack(ctx context.Context, d *chorusv1.Delivery, claim *journal.Claim, length time.Duration) error {
	cooled := s.limits.cool(ctx, d, length)
	began := time.Now()
	err := s.retryForever(func(ctx context.Context) error {
		left := length - time.Since(began) // the database may take it late
		if left <= 0 {
			return nil
		}
		return s.journal.Wait(ctx, d.GetBotId(), d.GetId().GetChatId(), left, s.cfg.FloodWindow)
	})
	return errors.Join(cooled, err, s.again(s.release(claim)))
}

// call makes the claimed call. Its context outlives the consumer's, because a
// call that was begun should end. It is begun only while the message is certain to
// be in this sender's hand: after a standstill between the claim and the call,
// another has dealt with it, and with what comes after it.
func (s *Sender) call(ctx context.Context, d *chorusv1.Delivery, to *address, claim *journal.Claim, bare bool) telegram.Outcome {
	until, _ := bus.HeldUntil(ctx)
	if isReaction(d) && claim.Step == journal.Action {
		return s.react(d, to, until)
	}
	m := telegram.Message{ChatID: to.chat, Text: textOf(d), ReplyTo: to.target, NotAfter: until}
	if bare {
		m.ReplyTo = 0
	}
	return s.Telegram.SendMessage(s.calls, to.token, m)
}

// textOf is what is said: the text, or the emoji where a reaction falls back.
func textOf(d *chorusv1.Delivery) string {
	if isReaction(d) {
		return d.GetEmoji()
	}
	return d.GetText()
}

// The Bot API's names of the calls.
const (
	sendMessage = "sendMessage"
	setReaction = "setMessageReaction"
)

func methodOf(d *chorusv1.Delivery, step journal.Step) string {
	if isReaction(d) && step == journal.Action {
		return setReaction
	}
	return sendMessage
}

func delivered(claim *journal.Claim) chorusv1.Outcome {
	if claim.Step == journal.Fallback {
		return chorusv1.Outcome_OUTCOME_FELL_BACK
	}
	return chorusv1.Outcome_OUTCOME_DELIVERED
}

// rejected deals with a call that Telegram refuses for good.
func (s *Sender) rejected(d *chorusv1.Delivery, to *address, claim *journal.Claim, out telegram.Outcome, p *progress) error {
	switch {
	case isReaction(d) && claim.Step == journal.Action && d.GetFallback() == chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE:
		p.fallback = true
		if out.Status != 0 {
			p.refused = &out
		}
		return s.again(s.retryForever(func(ctx context.Context) error { return s.journal.FallBack(ctx, claim) }))
	case out.ReplyNotFound && methodOf(d, claim.Step) == sendMessage && to.target != 0 && !p.bare:
		p.bare = true
		return s.again(s.release(claim))
	}
	err := s.finish(d, to, claim, chorusv1.Outcome_OUTCOME_REJECTED, out, p.bare)
	if err == nil && out.Status != 0 { // Telegram was asked
		s.rest(d, methodOf(d, claim.Step), out)
	}
	return err
}

// unknown deals with a call that may have had its effect.
func (s *Sender) unknown(d *chorusv1.Delivery, to *address, claim *journal.Claim, out telegram.Outcome) error {
	exhausted := isReaction(d) && claim.Step == journal.Action && claim.Attempts >= s.cfg.ReactionAttempts
	if s.onUnknown(d, claim.Step) == Resend && !exhausted {
		return s.tryLater(claim, out)
	}
	return s.finish(d, to, claim, chorusv1.Outcome_OUTCOME_UNKNOWN, out, false)
}

// notSent deals with a call that certainly had no effect.
func (s *Sender) notSent(claim *journal.Claim, out telegram.Outcome) error {
	if !out.TooLate {
		return s.tryLater(claim, out)
	}
	if err := s.release(claim); err != nil && !errors.Is(err, journal.ErrFenced) {
		return err
	}
	return bus.ErrLapsed
}

// tryLater gives a claim up for a call that is to be made again after a while.
func (s *Sender) tryLater(claim *journal.Claim, out telegram.Outcome) error {
	if err := s.release(claim); err != nil {
		return err
	}
	return fail.AsTransient(errors.New(out.Description))
}
