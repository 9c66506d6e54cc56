package limit

import (
	"time"
)

// bucket is a rate and the time when its bucket is full again.
type bucket struct {
	Rate

	full time.Time
}

// free returns when the next token may be used.
func (b bucket) free() time.Time { return b.full.Add(-b.Ahead) }

// take returns when the bucket is full again after a token was used.
func (b bucket) take(at time.Time) time.Time { return later(b.full, at).Add(b.Every) }

// decide decides whether a call gets its tokens. The script reserve.lua does the same, and
// a test compares them.
func decide(now time.Time, maxWait time.Duration, bot bucket, inChat []bucket) Verdict {
	queue, own := later(now, bot.free()), now
	for _, b := range inChat {
		own = later(own, b.free())
	}
	if own.After(queue) {
		return Verdict{Wait: own.Sub(now)}
	}
	wait := queue.Sub(now)
	return Verdict{Granted: wait <= maxWait, Wait: wait}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// deadlines holds times that are meaningless after they have passed. It isn't a cache:
// dropping a future one would let a call through. It holds as many as there were calls
// within the longest period, so it needs no limit, only sweeps of passed ones.
type deadlines[K comparable] struct {
	of        map[K]time.Time
	sweepSize int // size at which to sweep
}

const sweepAt = 1024

func newDeadlines[K comparable]() deadlines[K] {
	return deadlines[K]{of: make(map[K]time.Time), sweepSize: sweepAt}
}

func (d *deadlines[K]) set(key K, at, now time.Time) {
	d.of[key] = at
	if len(d.of) < d.sweepSize {
		return
	}
	for k, at := range d.of {
		if !at.After(now) {
			delete(d.of, k)
		}
	}
	// Swept deadlines were set since the last sweep, so the cost of a sweep per deadline is
	// constant, however many stay.
	d.sweepSize = max(sweepAt, 2*len(d.of))
}

// extend sets a deadline unless there is a later one.
func (d *deadlines[K]) extend(key K, at, now time.Time) {
	if at.After(d.of[key]) {
		d.set(key, at, now)
	}
}

// left returns the time until the deadline.
func (d *deadlines[K]) left(key K, now time.Time) time.Duration {
	return max(d.of[key].Sub(now), 0)
}

// cooling holds the cool-downs of bots within one process.
type cooling struct {
	window time.Duration
	chats  deadlines[lane]
	bots   deadlines[int64]
	recent map[int64][]flood
}

// lane is a bot in a chat.
type lane struct{ bot, chat int64 }

// flood is a 429 that a bot received.
type flood struct {
	chat      int64
	at, until time.Time
}

func newCooling(window time.Duration) cooling {
	return cooling{window: window, chats: newDeadlines[lane](), bots: newDeadlines[int64](), recent: make(map[int64][]flood)}
}

func (c *cooling) cool(bot, chat int64, until, now time.Time) {
	c.chats.extend(lane{bot, chat}, until, now)

	// A bot has at most one recent 429 per chat within the window. The list stays short,
	// because a bot with several is soon held back everywhere.
	var recent []flood
	until = c.chats.of[lane{bot, chat}]
	longest := until
	for _, f := range c.recent[bot] {
		if f.chat != chat && now.Sub(f.at) <= c.window {
			recent = append(recent, f)
			longest = later(longest, f.until)
		}
	}
	if len(recent) > 0 {
		c.bots.extend(bot, longest, now)
	}
	c.recent[bot] = append(recent, flood{chat: chat, at: now, until: until})
}

func (c *cooling) left(bot, chat int64, now time.Time) time.Duration {
	return max(c.bots.left(bot, now), c.chats.left(lane{bot, chat}, now))
}
