package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// wait sits out what keeps the delivery from being sent now: an open breaker, a
// cooled bot, a limit. A wait longer than the lane may hold its message gives
// the instant at which to come back instead.
func (s *Sender) wait(ctx context.Context, d *chorusv1.Delivery, to *address) (until time.Time, err error) {
	for {
		delay := max(s.breakers.delay(d), s.limits.cooling(d))
		if delay == 0 {
			// Tokens are taken last, when nothing else can make them useless.
			delay = s.limits.reserve(d, to, s.cfg.ShortWait)
			if delay <= s.cfg.ShortWait {
				return time.Time{}, sit(ctx, delay)
			}
		}
		if delay > s.cfg.ShortWait {
			return time.Now().Add(delay), nil
		}
		if err := sit(ctx, delay); err != nil {
			return time.Time{}, err
		}
	}
}

func sit(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// park puts a delivery off in the journal, so that its bus message can be
// acknowledged and takes nobody's room. One whose time is over by then ends now.
func (s *Sender) park(ctx context.Context, d *chorusv1.Delivery, until time.Time) error {
	if !until.Before(d.GetExpiresAt().AsTime()) {
		return s.abandon(ctx, d, chorusv1.Outcome_OUTCOME_EXPIRED,
			fmt.Sprintf("it would have to wait until %s, longer than it is good for", until.UTC().Format(time.TimeOnly)))
	}
	s.Metrics.parked()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	return s.journal.ParkBehind(ctx, d.GetId(), until)
}

// typingRefresh is how often the action is sent again: Telegram shows it for
// five seconds.
const typingRefresh = 4500 * time.Millisecond

// showTyping shows the bot typing for as long as the delivery asks. It holds up
// this lane only; a late delivery goes without.
func (s *Sender) showTyping(ctx context.Context, d *chorusv1.Delivery, to *address) error {
	length := d.GetTyping().AsDuration()
	if !s.cfg.Typing || length <= 0 || time.Since(d.GetCreatedAt().AsTime()) > s.cfg.TypingLate {
		return nil
	}
	typing, stop := context.WithTimeout(ctx, length)
	defer stop()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for typing.Err() == nil {
			// Nothing depends on it: a failure only leaves the bot silent.
			s.Telegram.SendTyping(typing, to.token, to.chat)
			if sit(typing, typingRefresh) != nil {
				return
			}
		}
	}()
	<-typing.Done()
	<-shown
	if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
