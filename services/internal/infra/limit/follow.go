package limit

import "time"

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
