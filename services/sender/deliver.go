package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/fail"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/telegram"
)

// errAgain ends a pass over a delivery that is to be looked at anew at once.
var errAgain = errors.New("again")

// errMissing makes a dead letter of what nobody wrote into the journal.
var errMissing = fail.AsPermanent(errors.New("the journal has no such delivery"))

// deliver brings one delivery to its end, or parks it. It returns nil once the
// end, or the parking, is in the journal.
func (s *Sender) deliver(ctx context.Context, d *chorusv1.Delivery) error {
	bare := false // the message answered is gone: send it as a plain message
	for {
		err := s.pass(ctx, d, &bare)
		if !errors.Is(err, errAgain) {
			return err
		}
	}
}

// pass waits for the delivery's turn, claims it, makes one call and writes down
// what came of it.
func (s *Sender) pass(ctx context.Context, d *chorusv1.Delivery, bare *bool) error {
	if s.expired(d) {
		return s.abandon(ctx, d, chorusv1.Outcome_OUTCOME_EXPIRED, "its time was over before it could be sent")
	}
	to, err := s.address(ctx, d)
	if err != nil {
		return err
	}
	if to.blocked != "" {
		return s.abandon(ctx, d, chorusv1.Outcome_OUTCOME_REJECTED, to.blocked)
	}
	// Tokens come while the bot types. Taken before, they would be used later
	// than they were counted, together with the next ones.
	if err := s.showTyping(ctx, d, to); err != nil {
		return err
	}
	until, err := s.wait(ctx, d, to)
	if err != nil {
		return err
	}
	if !until.IsZero() {
		return s.park(ctx, d, until)
	}
	if s.expired(d) {
		return s.abandon(ctx, d, chorusv1.Outcome_OUTCOME_EXPIRED, "its time was over before its turn came")
	}
	claim, refused, err := s.claim(ctx, d)
	if err != nil {
		return err
	}
	if refused != nil {
		return s.refused(ctx, d, refused)
	}
	return s.attempt(ctx, d, to, claim, bare)
}

func (s *Sender) expired(d *chorusv1.Delivery) bool {
	return !time.Now().Before(d.GetExpiresAt().AsTime())
}

func (s *Sender) claim(ctx context.Context, d *chorusv1.Delivery) (*journal.Claim, *journal.Refusal, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	return s.journal.Claim(ctx, d.GetId(), s.owner)
}

// refused deals with a delivery that can't be claimed.
func (s *Sender) refused(ctx context.Context, d *chorusv1.Delivery, r *journal.Refusal) error {
	switch r.Reason {
	case journal.Missing:
		return errMissing
	case journal.Over, journal.Parked:
		return nil
	case journal.Behind:
		// The one ahead is parked, with another replica, or still on its way to
		// this very lane: to wait here for it would keep it out.
		return s.park(ctx, d, later(r.Until, time.Now().Add(behindPause)))
	case journal.Orphaned:
		return s.adopt(ctx, d, r)
	}
	return fmt.Errorf("a refusal of an unknown kind: %d", r.Reason)
}

// diedCalling is the reason in the receipts of orphans.
const diedCalling = "the sender died while the call was under way"

// behindPause is how long a delivery steps aside for one ahead of it that is not
// parked.
const behindPause = time.Second

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// adopt deals with a delivery whose call was begun by a sender that died. To set
// a reaction again changes nothing; to send a message again may double it. One
// that is this sender's own was claimed without its knowing, and no call was made:
// whatever follows on a call is written down before the lane goes on.
func (s *Sender) adopt(ctx context.Context, d *chorusv1.Delivery, r *journal.Refusal) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	repeatable := r.Owner == s.owner || d.GetAction() == chorusv1.Action_ACTION_SET_REACTION && r.Step == journal.Action
	if !repeatable && s.cfg.OnUnknown == Drop {
		receipt := s.receipt(d, chorusv1.Outcome_OUTCOME_UNKNOWN, diedCalling)
		entry, err := s.journal.Disown(ctx, receipt, r.Fence)
		return s.ended(receipt, entry, err)
	}
	claim, err := s.journal.TakeOver(ctx, d.GetId(), r.Fence, s.owner)
	if errors.Is(err, journal.ErrFenced) {
		return errAgain
	}
	if err != nil {
		return err
	}
	return s.again(s.release(claim))
}

// attempt makes the call that was claimed.
func (s *Sender) attempt(ctx context.Context, d *chorusv1.Delivery, to *address, claim *journal.Claim, bare *bool) error {
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
	out := s.call(d, to, claim, *bare)
	s.Metrics.called(methodOf(d, claim.Step), out.Kind, time.Since(began))
	s.breakers.record(d, out)
	log := s.Log.With(zap.String("turn", subject.TurnID(d.GetId())), zap.String("bot", to.bot), zap.String("step", string(claim.Step)),
		zap.Stringer("outcome", out.Kind))
	if out.Kind != telegram.Done {
		log.Info("Telegram did not simply accept", zap.Int("status", out.Status), zap.String("description", out.Description))
	}
	switch out.Kind {
	case telegram.Done, telegram.DoneInDisguise:
		return s.finish(d, to, claim, delivered(claim), out, *bare)
	case telegram.RateLimited:
		return errors.Join(s.limits.cool(ctx, d, out.RetryAfter), s.again(s.release(claim)))
	case telegram.NotSent:
		return s.tryLater(claim, out)
	case telegram.Unknown:
		return s.unknown(d, to, claim, out)
	case telegram.Moved:
		if err := s.patiently(func(ctx context.Context) error { return s.move(ctx, d, out.MigrateTo) }); err != nil {
			return err
		}
		return s.again(s.release(claim))
	case telegram.PermanentMembership:
		return errors.Join(s.suspend(ctx, d, out.Description), s.finish(d, to, claim, chorusv1.Outcome_OUTCOME_REJECTED, out, *bare))
	case telegram.PermanentBot:
		log.Error("Telegram refuses the bot's token: the bot is stopped")
		return errors.Join(s.stop(ctx, d, out.Description), s.finish(d, to, claim, chorusv1.Outcome_OUTCOME_REJECTED, out, *bare))
	case telegram.PermanentAction:
		return s.rejected(d, to, claim, out, bare)
	}
	return s.finish(d, to, claim, chorusv1.Outcome_OUTCOME_REJECTED, out, *bare)
}

// call makes the claimed call. Its context outlives the consumer's, because a
// call that was begun should end.
func (s *Sender) call(d *chorusv1.Delivery, to *address, claim *journal.Claim, bare bool) telegram.Outcome {
	if claim.Step == journal.Action && d.GetAction() == chorusv1.Action_ACTION_SET_REACTION {
		return s.react(d, to)
	}
	m := telegram.Message{ChatID: to.chat, Text: textOf(d), ReplyTo: to.target}
	if bare {
		m.ReplyTo = 0
	}
	return s.Telegram.SendMessage(s.calls, to.token, m)
}

// textOf is what is said: the text, or the emoji where a reaction falls back.
func textOf(d *chorusv1.Delivery) string {
	if d.GetAction() == chorusv1.Action_ACTION_SET_REACTION {
		return d.GetEmoji()
	}
	return d.GetText()
}

func methodOf(d *chorusv1.Delivery, step journal.Step) string {
	if step == journal.Action && d.GetAction() == chorusv1.Action_ACTION_SET_REACTION {
		return "setMessageReaction"
	}
	return "sendMessage"
}

func delivered(claim *journal.Claim) chorusv1.Outcome {
	if claim.Step == journal.Fallback {
		return chorusv1.Outcome_OUTCOME_FELL_BACK
	}
	return chorusv1.Outcome_OUTCOME_DELIVERED
}

// rejected deals with a call that Telegram refuses for good.
func (s *Sender) rejected(d *chorusv1.Delivery, to *address, claim *journal.Claim, out telegram.Outcome, bare *bool) error {
	reaction := d.GetAction() == chorusv1.Action_ACTION_SET_REACTION
	switch {
	case reaction && claim.Step == journal.Action && d.GetFallback() == chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE:
		return s.again(s.patiently(func(ctx context.Context) error { return s.journal.FallBack(ctx, claim) }))
	case out.ReplyNotFound && !*bare:
		*bare = true
		return s.again(s.release(claim))
	}
	return s.finish(d, to, claim, chorusv1.Outcome_OUTCOME_REJECTED, out, *bare)
}

// unknown deals with a call that may have had its effect.
func (s *Sender) unknown(d *chorusv1.Delivery, to *address, claim *journal.Claim, out telegram.Outcome) error {
	reaction := d.GetAction() == chorusv1.Action_ACTION_SET_REACTION && claim.Step == journal.Action
	if reaction && claim.Attempts < s.cfg.ReactionAttempts || !reaction && s.cfg.OnUnknown == Resend {
		return s.tryLater(claim, out)
	}
	return s.finish(d, to, claim, chorusv1.Outcome_OUTCOME_UNKNOWN, out, false)
}

// release gives a claim up after a call that had no effect.
func (s *Sender) release(claim *journal.Claim) error {
	return s.patiently(func(ctx context.Context) error { return s.journal.Release(ctx, claim) })
}

// tryLater gives a claim up for a call that is to be made again after a while.
func (s *Sender) tryLater(claim *journal.Claim, out telegram.Outcome) error {
	if err := s.release(claim); err != nil {
		return err
	}
	return fail.AsTransient(errors.New(out.Description))
}

// patiently writes down what follows from a call. Telegram can't be asked again
// what it did, so it tries until the database takes it or the process has to go;
// then the next owner finds an orphan.
func (s *Sender) patiently(write func(context.Context) error) error {
	patient := retrypolicy.NewBuilder[any]().
		AbortOnErrors(journal.ErrFenced).
		WithBackoff(50*time.Millisecond, 2*time.Second).WithJitterFactor(0.5).WithMaxAttempts(-1).
		ReturnLastFailure().
		Build()
	return failsafe.With(patient).WithContext(s.calls).Run(func() error {
		// Even what follows from a call that was cut off at shutdown is written.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.calls), dbTimeout)
		defer cancel()
		return write(ctx)
	})
}

// again asks for another pass if what led to it was written down.
func (s *Sender) again(err error) error {
	if err == nil || errors.Is(err, journal.ErrFenced) {
		return errAgain
	}
	return err
}

// finish writes down how a call ended.
func (s *Sender) finish(d *chorusv1.Delivery, to *address, claim *journal.Claim, outcome chorusv1.Outcome, out telegram.Outcome, bare bool) error {
	reason := out.Description
	if outcome == chorusv1.Outcome_OUTCOME_DELIVERED {
		reason = ""
	}
	receipt := s.receipt(d, outcome, reason)
	var sent *journal.Sent
	if out.MessageID > 0 {
		sent = &journal.Sent{Viewer: to.viewer(d.GetBotId()), TelegramID: out.MessageID, Text: textOf(d), At: time.Now()}
		if to.target > 0 && !bare {
			sent.ReplyTo = d.GetTargetMessage()
		}
	}
	var entry journal.Entry
	err := s.patiently(func(ctx context.Context) (err error) {
		entry, err = s.journal.Finish(ctx, claim, receipt, sent)
		return err
	})
	return s.ended(receipt, entry, err)
}

// abandon ends a delivery that nobody is sending.
func (s *Sender) abandon(ctx context.Context, d *chorusv1.Delivery, outcome chorusv1.Outcome, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	receipt := s.receipt(d, outcome, reason)
	entry, err := s.journal.Abandon(ctx, receipt)
	if !errors.Is(err, journal.ErrFenced) {
		return s.ended(receipt, entry, err)
	}
	// It has ended, or a call was under way when its sender died.
	claim, refused, err := s.journal.Claim(ctx, d.GetId(), s.owner)
	switch {
	case err != nil:
		return err
	case claim != nil:
		entry, err = s.journal.Finish(ctx, claim, receipt, nil)
	case refused.Reason == journal.Orphaned:
		receipt.Outcome, receipt.Reason = chorusv1.Outcome_OUTCOME_UNKNOWN, diedCalling
		entry, err = s.journal.Disown(ctx, receipt, refused.Fence)
	case refused.Reason == journal.Missing:
		return errMissing
	case refused.Reason == journal.Over:
		return nil
	default:
		return errAgain // it was given up at this moment
	}
	return s.ended(receipt, entry, err)
}

// ended publishes the receipt of what was closed.
func (s *Sender) ended(r *chorusv1.Receipt, entry journal.Entry, err error) error {
	if errors.Is(err, journal.ErrFenced) {
		// Another sender has closed it, or will.
		return nil
	}
	if err != nil {
		return err
	}
	s.Metrics.closed(r)
	s.receipts.Offer(entry)
	return nil
}

func (s *Sender) receipt(d *chorusv1.Delivery, outcome chorusv1.Outcome, reason string) *chorusv1.Receipt {
	return &chorusv1.Receipt{
		Id: d.GetId(), BotId: d.GetBotId(), Action: d.GetAction(), Outcome: outcome, Reason: reason,
		PlannedAt: d.GetPlannedAt(), ClosedAt: timestamppb.Now(),
	}
}
