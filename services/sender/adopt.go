package sender

import (
	"context"
	"errors"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal"
)

// diedCalling is the reason in the receipts of orphans.
const diedCalling = "the sender died while the call was under way"

// attendedPause is how often it is looked whether a call of another sender has
// ended. It ends, or that sender goes silent.
const attendedPause = time.Second

// letEnd leaves a delivery to another sender for a moment: one that has lost the
// bus, but not the database, is in the midst of the call and will write down its
// end.
func (s *Sender) letEnd(ctx context.Context) error {
	if err := sit(ctx, attendedPause); err != nil {
		return err
	}
	return errAgain
}

// adopt deals with a delivery whose call was begun by a sender that died. One
// that is this sender's own was claimed without its knowing, and no call was
// made: whatever follows on a call is written down before the lane goes on.
func (s *Sender) adopt(ctx context.Context, d *chorusv1.Delivery, r *journal.Refusal) error {
	if bus.Lapsed(ctx) { // it is this sender that was away
		return bus.ErrLapsed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	if r.Owner != s.owner && s.onUnknown(d, r.Step) == Drop {
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

// onUnknown is what is done where nobody knows whether a call had its effect. To
// set a reaction again changes nothing; to send a message again may double it.
func (s *Sender) onUnknown(d *chorusv1.Delivery, step journal.Step) string {
	switch {
	case isReaction(d) && step == journal.Action:
		return s.cfg.OnUnknown.Reaction
	case isReaction(d):
		return s.cfg.OnUnknown.Fallback
	case d.GetTargetMessage() != 0:
		return s.cfg.OnUnknown.Reply
	}
	return s.cfg.OnUnknown.Message
}

func isReaction(d *chorusv1.Delivery) bool {
	return d.GetAction() == chorusv1.Action_ACTION_SET_REACTION
}

// keepSeen tells the other senders that this one lives, until the context ends.
func (s *Sender) keepSeen(ctx context.Context) {
	tick := time.NewTicker(journal.SeenEvery)
	defer tick.Stop()
	for {
		s.tell(ctx, s.journal.Seen)
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.tell(context.WithoutCancel(ctx), s.journal.Gone)
			return
		}
	}
}

// tell says something of this sender to the others. Where that fails, they take
// it for dead in time, and what it claims for orphans: its calls in the midst of
// which it loses the bus as well have an unknown outcome then.
func (s *Sender) tell(ctx context.Context, what func(ctx context.Context, owner string) error) {
	telling, cancel := context.WithTimeout(ctx, journal.SeenEvery)
	defer cancel()
	if err := what(telling, s.owner); ctx.Err() == nil {
		s.unheard.Note(err)
	}
}
