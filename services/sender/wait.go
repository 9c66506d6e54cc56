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
// the instant at which to come back instead. When it returns neither, the call's
// tokens are taken and the call is to be made at once.
func (s *Sender) wait(ctx context.Context, d *chorusv1.Delivery, to *address, message bool) (until time.Time, err error) {
	for {
		delay := s.breakers.delay(d)
		if delay == 0 {
			// Tokens are taken last, when nothing else can make them useless.
			if delay, err = s.tokens(ctx, d, to, message); err != nil || delay == 0 {
				return time.Time{}, err
			}
		}
		if delay > s.cfg.ShortWait {
			return s.Now().Add(delay), nil
		}
		if err := sit(ctx, delay); err != nil {
			return time.Time{}, err
		}
	}
}

// tokens takes the tokens of the call and waits for its turn, or returns the
// time after which to ask again.
func (s *Sender) tokens(ctx context.Context, d *chorusv1.Delivery, to *address, message bool) (again time.Duration, err error) {
	if !message {
		v, err := s.limits.stepAside(ctx, d, s.cfg.ShortWait)
		if err != nil || !v.Granted {
			return v.Wait, err
		}
		if err := sit(ctx, v.Wait); err != nil {
			return 0, err
		}
	}
	v, err := s.limits.reserve(ctx, d, to, message, s.cfg.ShortWait)
	switch {
	case err != nil:
		return 0, err
	case !v.Granted:
		return v.Wait, nil
	case v.Wait == 0:
		return 0, nil
	}
	if err := sit(ctx, v.Wait); err != nil {
		return 0, err
	}
	// The bot may have been cooled meanwhile, by another lane or another replica.
	// Then the tokens are lost.
	return s.limits.cooling(ctx, d)
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
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	refused, err := s.journal.ParkBehind(looking, d.GetId(), until, s.owner)
	if err != nil || refused == nil {
		return err
	}
	return s.refused(ctx, d, refused)
}

// typingRefresh is how often the action is sent again: Telegram shows it for
// five seconds.
const typingRefresh = 4500 * time.Millisecond

// showTyping shows the bot typing for as long as the delivery asks. It holds up
// this lane only; a late delivery goes without, and so does a bot that has no
// call to spare.
func (s *Sender) showTyping(ctx context.Context, d *chorusv1.Delivery, to *address) error {
	length := d.GetTyping().AsDuration()
	if !s.cfg.Typing || length <= 0 || s.Now().Sub(d.GetCreatedAt().AsTime()) > s.cfg.TypingLate {
		return nil
	}
	typing, stop := context.WithTimeout(ctx, length)
	defer stop()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for typing.Err() == nil {
			// Nothing depends on it: a failure only leaves the bot silent.
			if s.limits.spare(typing, d) {
				s.Telegram.SendTyping(typing, to.token, to.chat)
			}
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
