package accounting

import (
	"cmp"
	"time"
)

// Match is a message that Telegram took, with the turn that it was sent for.
type Match struct {
	Call *Call
	Turn *Turn
}

// Matches finds the turn of each message that was sent for one whose end the
// journal knows, in the order in which Telegram took them.
func Matches(calls []Call, turns []Turn) []Match {
	of := make(map[place]*Turn, len(turns))
	for i, t := range turns {
		if t.Sent != 0 {
			of[place{t.Chat, t.Bot, t.Sent}] = &turns[i]
		}
	}
	var found []Match
	for i, c := range calls {
		if !c.Sent() {
			continue
		}
		if t := of[place{c.Chat, c.Bot, c.Message}]; t != nil {
			found = append(found, Match{Call: &calls[i], Turn: t})
		}
	}
	return found
}

// lane is what has one order: the messages of a chat, its reactions, those included that
// became messages, or its answers to commands.
type lane struct {
	chat int64
	kind string
}

// laneOf is the lane of a turn. A reply is a message.
func laneOf(t *Turn) lane {
	kind := t.Kind
	if kind != Reaction && kind != Command {
		kind = ""
	}
	return lane{t.Chat, kind}
}

// OutOfOrder counts the messages that came after one of a later turn of the same
// lane, or a later one of the same turn.
func OutOfOrder(matches []Match) int {
	n, last := 0, map[lane]*Turn{}
	for _, m := range matches {
		in := laneOf(m.Turn)
		if before := last[in]; before != nil && cmp.Or(cmp.Compare(m.Turn.Number, before.Number), cmp.Compare(m.Turn.Part, before.Part)) < 0 {
			n++
			continue
		}
		last[in] = m.Turn
	}
	return n
}

// Late counts the messages that Telegram took after their turn's time was over.
// The margin is for a call that was under way at that moment.
func Late(matches []Match, margin time.Duration) int {
	n := 0
	for _, m := range matches {
		if m.Call.Time.Sub(m.Turn.Expires) > margin {
			n++
		}
	}
	return n
}

// TooEarly counts the calls that were made although Telegram had asked that bot
// to wait longer in that chat. The margin is for the way there.
func TooEarly(calls []Call, margin time.Duration) int {
	type at struct {
		bot, method string
		chat        int64
	}
	n, until := 0, map[at]time.Time{}
	for _, c := range calls {
		where := at{c.Bot, c.Method, c.Chat}
		began := c.Time.Add(-c.Took)
		if began.Before(until[where].Add(-margin)) {
			n++
		}
		if c.RetryAfter > 0 {
			until[where] = c.Time.Add(c.RetryAfter)
		}
	}
	return n
}
