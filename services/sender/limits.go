package sender

import (
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// bucketKey names a token bucket: of a bot (chat 0), a chat (bot 0), or a bot in
// a chat.
type bucketKey struct{ bot, chat int64 }

// limits keeps below Telegram's limits, and obeys its 429s.
type limits struct {
	cfg     Config
	buckets *otter.Cache[bucketKey, *rate.Limiter]
	cooled  *otter.Cache[bucketKey, time.Time]
}

const (
	bucketsMost = 200_000
	// A bucket that nobody used for this long is full again.
	bucketsIdle = 2 * time.Minute
	cooledMost  = 100_000
)

func newLimits(cfg Config) (*limits, error) {
	buckets, err := otter.New(&otter.Options[bucketKey, *rate.Limiter]{
		MaximumSize:      bucketsMost,
		ExpiryCalculator: otter.ExpiryAccessing[bucketKey, *rate.Limiter](bucketsIdle),
	})
	if err != nil {
		return nil, fmt.Errorf("buckets: %w", err)
	}
	cooled, err := otter.New(&otter.Options[bucketKey, time.Time]{
		MaximumSize: cooledMost,
		// An entry is of no use once its time is over.
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[bucketKey, time.Time]) time.Duration {
			return max(time.Until(e.Value), time.Millisecond)
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("cooled lanes: %w", err)
	}
	return &limits{cfg: cfg, buckets: buckets, cooled: cooled}, nil
}

// close ends the goroutines of the caches.
func (l *limits) close() {
	l.buckets.StopAllGoroutines()
	l.cooled.StopAllGoroutines()
}

// cool obeys a 429: the bot does nothing in that chat for as long as Telegram
// said.
func (l *limits) cool(d *chorusv1.Delivery, _ *address, retryAfter time.Duration) {
	l.cooled.Set(bucketKey{d.GetBotId(), d.GetId().GetChatId()}, time.Now().Add(retryAfter))
}

// cooling is how long the bot is still held back in the chat.
func (l *limits) cooling(d *chorusv1.Delivery) time.Duration {
	until, ok := l.cooled.GetIfPresent(bucketKey{d.GetBotId(), d.GetId().GetChatId()})
	if !ok {
		return 0
	}
	return max(time.Until(until), 0)
}

// reserve takes a token from every bucket that the call needs and returns the
// wait until it may be made. Tokens that could only be used after more than most
// are given back.
func (l *limits) reserve(d *chorusv1.Delivery, _ *address, most time.Duration) time.Duration {
	now := time.Now()
	var delay time.Duration
	var taken []*rate.Reservation
	for _, b := range l.needed(d) {
		r := b.ReserveN(now, 1)
		taken = append(taken, r)
		delay = max(delay, r.DelayFrom(now))
	}
	if delay > most {
		for _, r := range taken {
			r.CancelAt(now)
		}
	}
	return delay
}

// needed is the buckets of a call. Telegram counts messages by chat and group;
// for reactions it publishes no limit but the bot's.
func (l *limits) needed(d *chorusv1.Delivery) []*rate.Limiter {
	bot, chat := d.GetBotId(), d.GetId().GetChatId()
	needed := []*rate.Limiter{l.bucket(bucketKey{bot: bot}, l.cfg.BotPerSecond, int(l.cfg.BotPerSecond))}
	if d.GetAction() == chorusv1.Action_ACTION_SET_REACTION {
		return needed
	}
	return append(needed,
		l.bucket(bucketKey{chat: chat}, l.cfg.ChatPerSecond, 1),
		l.bucket(bucketKey{bot: bot, chat: chat}, l.cfg.GroupPerMinute/60, int(l.cfg.GroupPerMinute)))
}

func (l *limits) bucket(key bucketKey, perSecond float64, burst int) *rate.Limiter {
	b, _ := l.buckets.ComputeIfAbsent(key, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(rate.Limit(perSecond), max(burst, 1)), false
	})
	return b
}
