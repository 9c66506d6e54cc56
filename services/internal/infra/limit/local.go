package limit

import (
	"context"
	"sync"
	"time"
)

// Local is a limiter of one process. It never fails and never blocks, and its
// clock is the process' own, which runs evenly.
type Local struct {
	replicas func() int
	now      func() time.Time

	mu      sync.Mutex
	bots    deadlines[int64]
	chats   deadlines[laneBucket]
	cooling cooling
}

// laneBucket is one of the buckets of a bot in a chat.
type laneBucket struct {
	lane

	index int
}

// NewLocal makes a limiter of one process. Two chats of a bot cooled within the
// window cool the bot.
//
// Replicas says among how many processes a bot's calls are divided; nil stands
// for one. The buckets of a bot in a chat are not divided, because a chat's lane
// is in one process only.
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

// This is how a Local follows what Redis decides, so that it can go on alone.

// held returns how long the call is held back for reasons that hold everywhere: a
// cool-down, or a bucket of the bot in the chat. The bot's own bucket is none:
// others use it too.
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

// count counts what Redis granted for use after a wait.
func (l *Local) count(c Call, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.take(c, bucket{c.OfBot, l.bots.of[c.Bot]}, now.Add(wait), now)
}

// chill keeps the cool-downs that Redis told of.
func (l *Local) chill(bot, chat int64, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.cooling.chats.extend(lane{bot, chat}, now.Add(a.chat), now)
	l.cooling.bots.extend(bot, now.Add(a.bot), now)
}

// queue returns how long the next call of the bot, in this process alone, would wait
// for its token if its bucket had no burst.
func (l *Local) queue(c Call) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.bots.left(c.Bot, l.now())-c.OfBot.share(l.replicas()).Ahead, 0)
}

// reserveAlone reserves without Redis. The first call finds the bot's bucket
// empty, because others may have used all that was in it, and comes after all
// that were granted before.
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
