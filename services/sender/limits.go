package sender

import (
	"context"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// limits keeps calls below Telegram's limits and applies the waits of its 429s.
type limits struct {
	limiter limit.Limiter
	bot     limit.Rate
	// group and supergroup are the limits of a bot's messages in one chat.
	group, supergroup []limit.Rate
	// secondary limits the calls that aren't messages to a share of the bot's calls. Each
	// process has its own: the share isn't one of Telegram's limits.
	secondary    *limit.Local
	secondaryBot limit.Rate
}

// newLimits returns the limits of one of several replicas.
func newLimits(cfg Config, limiter limit.Limiter, replicas func() int) *limits {
	if limiter == nil {
		limiter = limit.NewLocal(cfg.FloodWindow, nil)
	}
	part := cfg.BotPerSecond * cfg.SecondaryShare
	return &limits{
		limiter:   limiter,
		bot:       limit.NewRate(cfg.BotPerSecond, time.Second, max(int(cfg.BotPerSecond), 1), cfg.LimitMargin),
		secondary: limit.NewLocal(0, replicas), secondaryBot: limit.NewRate(part, time.Second, max(int(part), 1), 0),
		group: cfg.Group.rates(cfg.LimitMargin), supergroup: cfg.Supergroup.rates(cfg.LimitMargin),
	}
}

// rates returns the limits of a bot's messages in one chat. Telegram counts each bot
// separately ("your bot will not be able to send more than 20 messages per minute to the
// same group"), so the bots of a chat share no limit.
func (l ChatLimits) rates(margin time.Duration) []limit.Rate {
	return []limit.Rate{
		limit.NewRate(l.PerSecond, time.Second, max(int(l.PerSecond), 1), margin),
		limit.NewRate(l.PerMinute, time.Minute, max(int(l.PerMinute), 1), margin),
	}
}

// reserve takes the tokens of a delivery's call, unless the wait would exceed longest.
func (l *limits) reserve(ctx context.Context, d *chorusv1.Delivery, to *address, message bool, longest time.Duration) (limit.Verdict, error) {
	call := l.call(d)
	// Telegram publishes limits for messages. As far as is known, it counts reactions by
	// bot only.
	if message {
		call.InChat = l.group
		if to.supergroup {
			call.InChat = l.supergroup
		}
	}
	return l.limiter.Reserve(ctx, call, longest)
}

// reserveSecondary takes a token of the share for calls that aren't messages. After an
// outage so many of these are due at once that all messages of the bot would queue behind
// them.
func (l *limits) reserveSecondary(ctx context.Context, d *chorusv1.Delivery, longest time.Duration) (limit.Verdict, error) {
	return l.secondary.Reserve(ctx, limit.Call{Bot: d.GetBotId(), OfBot: l.secondaryBot}, longest)
}

// spared returns middleware for additional calls, such as showing the bot as typing. It
// makes them only while the bot has tokens to spare, because nothing depends on them.
func (l *limits) spared(d *chorusv1.Delivery) telegram.Middleware {
	return func(next telegram.Invoke) telegram.Invoke {
		return func(ctx context.Context, call *telegram.Call) telegram.Outcome {
			if !l.spare(ctx, d) {
				return telegram.Outcome{Kind: telegram.NotSent, Withheld: true, Description: "the bot has no call to spare"}
			}
			return next(ctx, call)
		}
	}
}

// spare takes a token for an additional call, if one is available now.
func (l *limits) spare(ctx context.Context, d *chorusv1.Delivery) bool {
	v, err := l.reserveSecondary(ctx, d, 0)
	if err != nil || !v.Granted {
		return false
	}
	v, err = l.limiter.Reserve(ctx, l.call(d), 0)
	return err == nil && v.Granted
}

func (l *limits) call(d *chorusv1.Delivery) limit.Call {
	return limit.Call{Bot: d.GetBotId(), Chat: d.GetId().GetChatId(), OfBot: l.bot}
}

// cool applies a 429: the bot makes no calls in the chat for the demanded time.
func (l *limits) cool(ctx context.Context, d *chorusv1.Delivery, retryAfter time.Duration) error {
	return l.limiter.Cool(ctx, d.GetBotId(), d.GetId().GetChatId(), retryAfter)
}

// cooling returns how much longer the bot has to wait in the chat.
func (l *limits) cooling(ctx context.Context, d *chorusv1.Delivery) (time.Duration, error) {
	return l.limiter.Cooling(ctx, d.GetBotId(), d.GetId().GetChatId())
}

// wait waits until the delivery's call may be made: for typing, a 429, an open breaker, a
// limit. If a wait is longer than cfg.ShortWait, it returns the time to come back.
// Otherwise the call's tokens are taken, and the call must be made at once.
func (d *delivery) wait(ctx context.Context) (until time.Time, err error) {
	// The bot types before the tokens are taken. Tokens taken earlier would be used later
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
			// Tokens are taken last, so that no other wait can waste them.
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

// tokens takes the tokens of the call and waits until they are valid, or returns the time
// after which to ask again.
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
	// Another lane or replica may have received a 429 for the bot in the meantime. Then the
	// tokens are lost.
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

// typingRefresh is the interval of the typing action, which Telegram shows for five
// seconds.
const typingRefresh = 4500 * time.Millisecond

// showTyping shows the bot as typing before the first call, for the delivery's typing time.
// It delays only this lane. It is skipped if the delivery is late or the bot has no tokens
// to spare.
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
			// The outcome is ignored: nothing depends on it.
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
