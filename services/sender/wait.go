package sender

import (
	"context"
	"time"
)

// wait sits out what keeps the delivery's call from being made now: typing, a 429, an
// open breaker, a limit. A wait longer than the lane may sit out gives the instant at
// which to come back instead. When it returns neither, the call's tokens are taken and
// the call is to be made at once.
func (d *delivery) wait(ctx context.Context) (until time.Time, err error) {
	// Tokens come while the bot types. Taken before, they would be used later
	// than they were counted, together with the next ones.
	if err := d.showTyping(ctx); err != nil {
		return time.Time{}, err
	}
	for {
		delay := max(time.Until(d.u.WaitUntil), 0)
		if delay == 0 {
			delay = d.breakers.delay(d.u.Delivery)
		}
		if delay == 0 {
			// Tokens are taken last, when nothing else can make them useless.
			if delay, err = d.tokens(ctx); err != nil || delay == 0 {
				return time.Time{}, err
			}
		}
		if delay > d.cfg.ShortWait {
			return d.Now().Add(delay), nil
		}
		if err := d.rest(ctx, delay); err != nil {
			return time.Time{}, err
		}
	}
}

// tokens takes the tokens of the call and waits for its turn, or returns the
// time after which to ask again.
func (d *delivery) tokens(ctx context.Context) (again time.Duration, err error) {
	message := d.state.call().Message
	if !message {
		v, err := d.limits.reserveSecondary(ctx, d.u.Delivery, d.cfg.ShortWait)
		if err != nil || !v.Granted {
			return v.Wait, err
		}
		if v.Wait > 0 {
			if err := d.rest(ctx, v.Wait); err != nil {
				return 0, err
			}
		}
	}
	v, err := d.limits.reserve(ctx, d.u.Delivery, d.to, message, d.cfg.ShortWait)
	switch {
	case err != nil:
		return 0, err
	case !v.Granted:
		return v.Wait, nil
	case v.Wait == 0:
		return 0, nil
	}
	if err := d.rest(ctx, v.Wait); err != nil {
		return 0, err
	}
	// The bot may have been cooled meanwhile, by another lane or another replica.
	// Then the tokens are lost.
	return d.limits.cooling(ctx, d.u.Delivery)
}

func sleep(ctx context.Context, d time.Duration) error {
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

// typingRefresh is how often the action is sent again: Telegram shows it for
// five seconds.
const typingRefresh = 4500 * time.Millisecond

// showTyping shows the bot typing, before the first call, for as long as the delivery
// asks. It holds up this lane only; a late delivery goes without, and so does a bot that
// has no call to spare.
func (d *delivery) showTyping(ctx context.Context) error {
	length := d.u.GetTyping().AsDuration()
	if d.typed || !d.cfg.Typing || length <= 0 || d.state.calls > 0 || d.Now().Sub(d.u.GetCreatedAt().AsTime()) > d.cfg.TypingLate {
		return nil
	}
	d.typed = true
	typing, stop := context.WithTimeout(ctx, length)
	defer stop()
	client := d.Telegram.With(d.limits.spared(d.u.Delivery))
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for typing.Err() == nil {
			// Nothing depends on it: a failure only leaves the bot silent.
			client.SendTyping(typing, d.to.token, d.to.chat)
			if sleep(typing, typingRefresh) != nil {
				return
			}
		}
	}()
	err := d.rest(ctx, length)
	stop()
	<-shown
	return err
}
