// Package accounting compares the emulator's log of calls with the journal, message by message, for
// the load lab and for tests with real processes.
package accounting

import (
	"cmp"
	"fmt"
	"maps"
	"time"
)

// Outcomes and kinds, as the journal names them.
const (
	Delivered = "delivered"
	FellBack  = "fell_back"
	Unknown   = "unknown"

	Reaction = "reaction"
	Command  = "command"
)

// Kind is the kind of a problem.
type Kind string

// The kinds of problem.
const (
	// Lost turns are missing, or said to be done and were not.
	Lost Kind = "lost"
	// Duplicate messages were sent once too often, or belong to no turn.
	Duplicate Kind = "duplicate"
	// Wrong rows contradict themselves.
	Wrong Kind = "wrong"
)

// Problem is a contradiction between the log of calls and the journal.
type Problem struct {
	Kind Kind
	Text string
}

// Compare returns what doesn't fit:
//
//   - a chat's turns that are not numbered from the first after the clock before to
//     the clock's last without a gap;
//   - a turn that ended with a message which Telegram never got, or got twice;
//   - a message that belongs to no turn. The journal knows the id of each that
//     it heard the end of. Any other must be of a turn with an unknown outcome,
//     the same bot, chat and text, and no two of the same one: so a message that
//     was said twice has one copy too many, whichever copy the journal knows;
//   - reactions that changed a message more often than there were turns for it.
//
// Turns are in the order of chats and numbers, as Turns returns them. The clocks
// have the number of each chat's last turn, before them and now.
func Compare(calls []Call, turns []Turn, before, clocks map[int64]int64) []Problem {
	a := account{sent: map[place]int{}, reacted: map[place]int{}, looseSent: map[line]int{}}
	for _, c := range calls {
		switch at := (place{c.Chat, c.Bot, c.Message}); c.Effect {
		case effectSent:
			a.sent[at]++
		case effectReacted:
			a.reacted[at]++
		}
	}
	a.numbers(turns, before, clocks)
	a.messages(calls, turns)
	a.reactions(calls, turns)
	return a.problems
}

type (
	// place is a message as one bot knows it.
	place struct {
		chat    int64
		bot     string
		message int64
	}
	// line is something that a bot says in a chat.
	line struct {
		chat      int64
		bot, text string
	}
)

type account struct {
	sent, reacted map[place]int
	looseSent     map[line]int
	problems      []Problem
}

func (a *account) complainf(kind Kind, format string, args ...any) {
	a.problems = append(a.problems, Problem{Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// numbers checks the numbers of the turns, which must be in the order of chats and numbers.
func (a *account) numbers(turns []Turn, before, clocks map[int64]int64) {
	last := map[int64]int64{}
	maps.Copy(last, before)
	for _, t := range turns {
		if t.Part > 1 {
			continue // of the turn before
		}
		if t.Number != last[t.Chat]+1 {
			a.complainf(Lost, "chat %d: turn %d comes after turn %d", t.Chat, t.Number, last[t.Chat])
		}
		last[t.Chat] = t.Number
	}
	for chat, n := range clocks {
		if last[chat] != n {
			a.complainf(Lost, "chat %d: the clock is at turn %d, the last turn is %d", chat, n, last[chat])
		}
	}
}

func (a *account) messages(calls []Call, turns []Turn) {
	known := map[place]bool{}
	for _, t := range turns {
		at := place{t.Chat, t.Bot, t.Sent}
		said := t.Said()
		switch {
		case said != (t.Sent != 0):
			a.complainf(Wrong, "turn %d of chat %d is a %s with outcome %q and message %d", t.Number, t.Chat, t.Kind, t.Outcome, t.Sent)
		case said && a.sent[at] == 0:
			a.complainf(Lost, "turn %d of chat %d was said as message %d, which was sent 0 times", t.Number, t.Chat, t.Sent)
		case said && a.sent[at] > 1:
			a.complainf(Duplicate, "turn %d of chat %d was said as message %d, which was sent %d times", t.Number, t.Chat, t.Sent, a.sent[at])
		case said:
			known[at] = true
		case t.Outcome == Unknown && t.Text != "":
			a.looseSent[line{t.Chat, t.Bot, t.Text}]++
		}
	}
	for _, c := range calls {
		if c.Effect != effectSent || known[place{c.Chat, c.Bot, c.Message}] {
			continue
		}
		said := line{c.Chat, c.Bot, c.Text}
		if a.looseSent[said]--; a.looseSent[said] < 0 {
			a.complainf(Duplicate, "message %d of %s in chat %d is of no turn, or of one that was said already: %q", c.Message, c.Bot, c.Chat, said.text)
		}
	}
}

func (a *account) reactions(calls []Call, turns []Turn) {
	planned, seen := map[place]int{}, map[place]bool{}
	for _, c := range calls {
		if c.Method == SetReaction && c.Status == 200 {
			seen[place{c.Chat, c.Bot, c.Message}] = true
		}
	}
	for _, t := range turns {
		if t.Kind != Reaction {
			continue
		}
		at := place{t.Chat, t.Bot, t.Target}
		planned[at]++
		if t.Outcome == Delivered && !seen[at] {
			a.complainf(Lost, "turn %d of chat %d is a delivered reaction to message %d, which never got one", t.Number, t.Chat, t.Target)
		}
	}
	for at, n := range a.reacted {
		if n > planned[at] {
			a.complainf(Duplicate, "%s changed its reaction to message %d of chat %d %d times for %d turns", at.bot, at.message, at.chat, n, planned[at])
		}
	}
}

// Match is a message that Telegram took, with the turn that it was sent for.
type Match struct {
	Call *Call
	Turn *Turn
}

// Matches finds the turn of each message that was sent for a turn with a known outcome, in the
// order in which Telegram took the messages.
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

// lane is a sequence with an order of its own: a chat's messages, its reactions including
// those that became messages, or its answers to commands.
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

// Late counts the messages that Telegram took after their turn had expired. The margin allows for a
// call that was under way at that moment.
func Late(matches []Match, margin time.Duration) int {
	n := 0
	for _, m := range matches {
		if m.Call.Time.Sub(m.Turn.Expires) > margin {
			n++
		}
	}
	return n
}

// TooEarly counts the calls that were made before the end of a wait that Telegram had asked of that
// bot in that chat. The margin allows for the time to Telegram.
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
