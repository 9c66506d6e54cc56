package sender

import (
	"context"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// limits keeps below Telegram's limits, and obeys its 429s.
type limits struct {
	limiter limit.Limiter
	bot     limit.Rate
	// group and supergroup are the buckets of a bot's messages in a chat.
	group, supergroup []limit.Rate
	// secondary is who keeps what is no message to its part of a bot's calls. It is this
	// process's own: it divides what Telegram allows, and Telegram doesn't count it.
	secondary    *limit.Local
	secondaryBot limit.Rate
}

// newLimits makes the limits of one of so many replicas.
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

// rates are the buckets of a bot's messages in a chat. Telegram counts each bot
// by itself ("your bot will not be able to send more than 20 messages per minute
// to the same group"), so bots of one chat have nothing in common.
func (l ChatLimits) rates(margin time.Duration) []limit.Rate {
	return []limit.Rate{
		limit.NewRate(l.PerSecond, time.Second, max(int(l.PerSecond), 1), margin),
		limit.NewRate(l.PerMinute, time.Minute, max(int(l.PerMinute), 1), margin),
	}
}

// reserve takes the tokens of a delivery's call, unless it would have to wait
// for longer than the longest.
func (l *limits) reserve(ctx context.Context, d *chorusv1.Delivery, to *address, message bool, longest time.Duration) (limit.Verdict, error) {
	call := l.call(d)
	// Telegram publishes limits of messages. Reactions it counts by bot only, as
	// far as is known.
	if message {
		call.InChat = l.group
		if to.supergroup {
			call.InChat = l.supergroup
		}
	}
	return l.limiter.Reserve(ctx, call, longest)
}

// reserveSecondary takes a place among the bot's calls that are no messages: so many of
// these come at once, after a time in which they hung, that the messages of all its
// chats would queue behind them.
func (l *limits) reserveSecondary(ctx context.Context, d *chorusv1.Delivery, longest time.Duration) (limit.Verdict, error) {
	return l.secondary.Reserve(ctx, limit.Call{Bot: d.GetBotId(), OfBot: l.secondaryBot}, longest)
}

// spared makes the calls beside a delivery's own, such as to show its bot typing, while
// the bot has calls to spare: nothing depends on them.
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

// spare takes a token for such a call, if there is one now.
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

// cool obeys a 429: the bot does nothing in that chat for as long as Telegram
// said.
func (l *limits) cool(ctx context.Context, d *chorusv1.Delivery, retryAfter time.Duration) error {
	return l.limiter.Cool(ctx, d.GetBotId(), d.GetId().GetChatId(), retryAfter)
}

// cooling is how long the bot is still held back in the chat.
func (l *limits) cooling(ctx context.Context, d *chorusv1.Delivery) (time.Duration, error) {
	return l.limiter.Cooling(ctx, d.GetBotId(), d.GetId().GetChatId())
}

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
