package limit

import (
	"context"
	"sync"
	"time"
)

// Local is a limiter for one process. It never fails and never blocks. It uses the process'
// monotonic clock.
type Local struct {
	replicas func() int
	now      func() time.Time

	mu      sync.Mutex
	bots    deadlines[int64]
	chats   deadlines[laneBucket]
	cooling cooling
}

// laneBucket names one of the buckets of a bot in a chat.
type laneBucket struct {
	lane

	index int
}

// NewLocal returns a limiter for one process. Cool-downs in two chats of a bot within the
// window hold the bot back everywhere.
//
// replicas returns the number of processes that share a bot's calls; nil means one. The
// buckets of a bot in a chat aren't divided, because one process has the chat's lane.
func NewLocal(window time.Duration, replicas func() int) *Local {
	return newLocal(window, replicas, time.Now)
}

func newLocal(window time.Duration, replicas func() int, now func() time.Time) *Local {
	if replicas == nil {
		replicas = func() int { return 1 }
	}
	return &Local{
		replicas: replicas, now: now,
		bots: newDeadlines[int64](), chats: newDeadlines[laneBucket](), cooling: newCooling(window),
	}
}

// Reserve takes the tokens of a call.
func (l *Local) Reserve(_ context.Context, c Call, maxWait time.Duration) (Verdict, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reserve(c, maxWait, l.now()), nil
}

func (l *Local) reserve(c Call, maxWait time.Duration, now time.Time) Verdict {
	if left := l.cooling.left(c.Bot, c.Chat, now); left > 0 {
		return Verdict{Wait: left}
	}
	maxWait = min(maxWait, LongestQueue)
	bot := bucket{c.OfBot.share(l.replicas()), l.bots.of[c.Bot]}
	v := decide(now, maxWait, bot, l.inChat(c))
	if v.Granted {
		l.take(c, bot, now.Add(v.Wait), now)
	}
	return v
}

func (l *Local) inChat(c Call) []bucket {
	buckets := make([]bucket, len(c.InChat))
	for i, r := range c.InChat {
		buckets[i] = bucket{r, l.chats.of[laneBucket{lane{c.Bot, c.Chat}, i}]}
	}
	return buckets
}

func (l *Local) take(c Call, bot bucket, at, now time.Time) {
	l.bots.set(c.Bot, bot.take(at), now)
	for i, b := range l.inChat(c) {
		l.chats.set(laneBucket{lane{c.Bot, c.Chat}, i}, b.take(at), now)
	}
}

// Cool holds a bot back in a chat.
func (l *Local) Cool(_ context.Context, bot, chat int64, length time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.cooling.cool(bot, chat, now.Add(length), now)
	return nil
}

// Cooling returns how long the bot is still held back in the chat.
func (l *Local) Cooling(_ context.Context, bot, chat int64) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cooling.left(bot, chat, l.now()), nil
}

// The following methods let a Local follow Redis' decisions, so that it can take over.

// held returns how long the call is held back for reasons that all processes share: a
// cool-down, or a bucket of the bot in the chat. The bot's own bucket isn't one, because
// other processes use it, too.
func (l *Local) held(c Call) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if left := l.cooling.left(c.Bot, c.Chat, now); left > 0 {
		return left
	}
	free := now
	for _, b := range l.inChat(c) {
		free = later(free, b.free())
	}
	return free.Sub(now)
}

// count takes the tokens of a call that Redis granted.
func (l *Local) count(c Call, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.take(c, bucket{c.OfBot, l.bots.of[c.Bot]}, now.Add(wait), now)
}

// chill stores the cool-downs that Redis returned.
func (l *Local) chill(bot, chat int64, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.cooling.chats.extend(lane{bot, chat}, now.Add(a.chat), now)
	l.cooling.bots.extend(bot, now.Add(a.bot), now)
}

// queue returns how long the bot's next call in this process would wait for its token if
// the bucket had no burst.
func (l *Local) queue(c Call) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.bots.left(c.Bot, l.now())-c.OfBot.share(l.replicas()).Ahead, 0)
}

// reserveAlone reserves without Redis. The first call of a bot treats its bucket as empty,
// because other processes may have used its tokens, and comes after all calls granted
// before.
func (l *Local) reserveAlone(c Call, maxWait time.Duration, first bool) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if first {
		empty := c.OfBot.share(l.replicas()).Ahead
		l.bots.set(c.Bot, later(l.bots.of[c.Bot], now).Add(empty), now)
	}
	return l.reserve(c, maxWait, now)
}
