package sender

import (
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// retryForever records a call's outcome. The call can't be repeated, so it retries
// until the write succeeds or the process stops; a later owner then closes the
// delivery as unknown.
func (s *Sender) retryForever(write func(context.Context) error) error {
	forever := retrypolicy.NewBuilder[any]().
		AbortOnErrors(journal.ErrFenced).
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

// finish writes down how a call ended.
func (s *Sender) finish(d *chorusv1.Delivery, to *address, claim *journal.Claim, outcome chorusv1.Outcome, out telegram.Outcome, bare bool) error {
	reason := out.Description
	if outcome == chorusv1.Outcome_OUTCOME_DELIVERED {
		reason = ""
	}
	receipt := s.receipt(d, outcome, reason)
	var sent *journal.Sent
	if out.MessageID > 0 {
		// By the clock that people's messages have their times of.
		sent = &journal.Sent{Viewer: to.viewer(d.GetBotId()), TelegramID: out.MessageID, Text: textOf(d), At: out.SentAt}
		if sent.At.IsZero() {
			sent.At = s.Now()
		}
		if to.target > 0 && !bare {
			sent.ReplyTo = d.GetTargetMessage()
		}
	}
	var entry journal.Entry
	err := s.retryForever(func(ctx context.Context) (err error) {
		entry, err = s.journal.Finish(ctx, claim, receipt, sent)
		return err
	})
	return s.ended(receipt, entry, err)
}

// abandon ends a delivery that nobody is sending.
func (s *Sender) abandon(ctx context.Context, d *chorusv1.Delivery, outcome chorusv1.Outcome, reason string) error {
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	receipt := s.receipt(d, outcome, reason)
	entry, err := s.journal.Abandon(looking, receipt)
	if !errors.Is(err, journal.ErrFenced) {
		return s.ended(receipt, entry, err)
	}
	// It has ended, or a call was under way when its sender died.
	claim, refused, err := s.journal.Claim(looking, d.GetId(), s.owner)
	switch {
	case err != nil:
		return err
	case claim != nil:
		entry, err = s.journal.Finish(looking, claim, receipt, nil)
	case refused.Reason == journal.Orphaned:
		receipt.Outcome, receipt.Reason = chorusv1.Outcome_OUTCOME_UNKNOWN, diedCalling
		entry, err = s.journal.Disown(looking, receipt, refused.Fence)
	case refused.Reason == journal.Missing:
		return errMissing
	case refused.Reason == journal.Over:
		return nil
	case refused.Reason == journal.Attended:
		return s.letEnd(ctx)
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
		PlannedAt: d.GetPlannedAt(), ClosedAt: timestamppb.New(s.Now()),
	}
}
