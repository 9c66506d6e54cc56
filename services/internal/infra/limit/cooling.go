package limit

import "time"

// cooling is who is held back until when, in one process.
type cooling struct {
	window time.Duration
	chats  deadlines[lane]
	bots   deadlines[int64]
	recent map[int64][]flood
}

// lane is a bot in a chat.
type lane struct{ bot, chat int64 }

// flood is a 429 of a bot.
type flood struct {
	chat      int64
	at, until time.Time
}

func newCooling(window time.Duration) cooling {
	return cooling{window: window, chats: newDeadlines[lane](), bots: newDeadlines[int64](), recent: make(map[int64][]flood)}
}

func (c *cooling) cool(bot, chat int64, until, now time.Time) {
	c.chats.extend(lane{bot, chat}, until, now)

	// A bot has as many recent ones as chats within the window, so the list of
	// one that floods is short: it is soon cooled everywhere.
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
