package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// errAgain ends a pass over a delivery that is to be looked at anew at once.
var errAgain = errors.New("again")

// errMissing makes a dead letter of what nobody wrote into the journal.
var errMissing = fail.AsPermanent(errors.New("the journal has no such delivery"))

// progress is what the passes over a delivery tell the next ones.
type progress struct {
	bare     bool              // the message answered is gone: send it as a plain message
	typed    bool              // the bot was seen typing
	fallback bool              // what is to be sent is the message that stands for a reaction
	refused  *telegram.Outcome // of that reaction, if Telegram was asked for it
}

// deliver brings one delivery to its end, or parks it. It returns nil once the
// end, or the parking, is in the journal.
func (s *Sender) deliver(ctx context.Context, d *chorusv1.Delivery) error {
	var p progress
	for {
		err := s.pass(ctx, d, &p)
		if !errors.Is(err, errAgain) {
			return err
		}
	}
}

// pass waits for the delivery's turn, claims it, makes one call and writes down
// what came of it.
func (s *Sender) pass(ctx context.Context, d *chorusv1.Delivery, p *progress) error {
	if bus.Lapsed(ctx) {
		return bus.ErrLapsed
	}
	if s.expired(d) {
		return s.abandon(ctx, d, chorusv1.Outcome_OUTCOME_EXPIRED, "its time was over before it could be sent")
	}
	waits, err := s.waits(ctx, d)
	if err != nil {
		return err
	}
	if waits {
		return s.park(ctx, d, s.Now().Add(s.stepBehind(d)))
	}
	to, err := s.address(ctx, d)
	if err != nil {
		return err
	}
	s.breakers.named(d.GetBotId(), to.bot)
	if to.blocked != "" {
		return s.abandon(ctx, d, chorusv1.Outcome_OUTCOME_REJECTED, to.blocked)
	}
	// Tokens come while the bot types. Taken before, they would be used later
	// than they were counted, together with the next ones.
	if !p.typed {
		if err := s.showTyping(ctx, d, to); err != nil {
			return err
		}
		p.typed = true
	}
	until, err := s.wait(ctx, d, to, !isReaction(d) || p.fallback)
	if err != nil {
		return err
	}
	if !until.IsZero() {
		return s.park(ctx, d, until)
	}
	if s.expired(d) {
		return s.abandon(ctx, d, chorusv1.Outcome_OUTCOME_EXPIRED, "its time was over before its turn came")
	}
	if bus.Lapsed(ctx) { // while it waited
		return bus.ErrLapsed
	}
	claim, refused, err := s.claim(ctx, d)
	if err != nil {
		return err
	}
	if refused != nil {
		return s.refused(ctx, d, refused)
	}
	s.Metrics.claimed(d, claim, s.Now())
	return s.attempt(ctx, d, to, claim, p)
}

func (s *Sender) expired(d *chorusv1.Delivery) bool {
	return !s.Now().Before(d.GetExpiresAt().AsTime())
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
		return s.park(ctx, d, later(r.Until, s.Now().Add(s.stepBehind(d))))
	case journal.Cooling:
		if r.Wait > s.cfg.ShortWait {
			return s.park(ctx, d, s.Now().Add(r.Wait))
		}
		if err := sit(ctx, r.Wait); err != nil {
			return err
		}
		return errAgain
	case journal.Attended:
		return s.letEnd(ctx)
	case journal.Orphaned:
		return s.adopt(ctx, d, r)
	}
	return fmt.Errorf("a refusal of an unknown kind: %d", r.Reason)
}

// For so long a delivery steps aside for one ahead of it that is not parked: the
// first time for behindPause, and then for twice as long each time, up to
// behindMost. Each time it goes to the end of the queue, which may be long, and all
// of its chat with it: to do so each second would keep the senders from all else.
const (
	behindPause = time.Second
	behindMost  = 8 * time.Second
)

// stepBehind says for how long a delivery steps aside this time.
func (s *Sender) stepBehind(d *chorusv1.Delivery) time.Duration {
	id := subject.TurnID(d.GetId())
	pause := behindPause
	if last, was := s.behind.GetIfPresent(id); was {
		pause = min(2**last, behindMost)
	}
	s.behind.Set(id, &pause)
	return pause
}

// waits tells, of a delivery that was behind another, whether it still is. Its bot
// would be seen typing in vain each time, and take the tokens of the one ahead.
func (s *Sender) waits(ctx context.Context, d *chorusv1.Delivery) (bool, error) {
	id := subject.TurnID(d.GetId())
	if _, was := s.behind.GetIfPresent(id); !was {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	waits, err := s.journal.Waits(ctx, d.GetId())
	if err == nil && !waits {
		s.behind.Invalidate(id)
	}
	return waits, err
}

// maxBehind is how many deliveries are known to be behind others. Of one that is
// not, that is found out once more.
const maxBehind = 20_000

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// release gives a claim up after a call that had no effect.
func (s *Sender) release(claim *journal.Claim) error {
	return s.retryForever(func(ctx context.Context) error { return s.journal.Release(ctx, claim) })
}

// again asks for another pass if what led to it was written down.
func (s *Sender) again(err error) error {
	if err == nil || errors.Is(err, journal.ErrFenced) {
		return errAgain
	}
	return err
}
