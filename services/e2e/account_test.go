package e2e_test

import (
	"fmt"

	"github.com/chorus-cast/chorus/services/emulator/control"
)

// delivered and the others are outcomes as the journal names them.
const (
	delivered = "delivered"
	fellBack  = "fell_back"
	unknown   = "unknown"

	kindReaction = "reaction"
)

// account compares what the emulator saw with what the journal says, and
// returns what doesn't fit:
//
//   - a chat's turns that are not numbered from 1 to the clock's last without a gap;
//   - a turn that ended with a message which Telegram never got, or got twice;
//   - a message that belongs to no turn. The journal knows the id of each that
//     it heard the end of. Any other must be of a turn with an unknown outcome,
//     the same bot, chat and text, and no two of the same one: so a message that
//     was said twice has one copy too many, whichever copy the journal knows;
//   - reactions that changed a message more often than there were turns for it.
func account(calls []control.Call, turns []turn, clocks map[int64]int64, text func(control.Call) string) []string {
	a := accounting{sent: map[place]int{}, reacted: map[place]int{}, looseSent: map[line]int{}, text: text}
	for _, c := range calls {
		switch at := (place{c.Chat, c.Bot, c.EffectMessageID}); c.Effect {
		case effectSent:
			a.sent[at]++
		case effectReacted:
			a.reacted[at]++
		}
	}
	a.numbers(turns, clocks)
	a.messages(calls, turns)
	a.reactions(calls, turns)
	return a.wrong
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

type accounting struct {
	sent, reacted map[place]int
	looseSent     map[line]int
	text          func(control.Call) string
	wrong         []string
}

func (a *accounting) complainf(format string, args ...any) {
	a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
}

// numbers relies on turns being in the order of chats and numbers.
func (a *accounting) numbers(turns []turn, clocks map[int64]int64) {
	last := map[int64]int64{}
	for _, t := range turns {
		if t.Number != last[t.Chat]+1 {
			a.complainf("chat %d: turn %d comes after turn %d", t.Chat, t.Number, last[t.Chat])
		}
		last[t.Chat] = t.Number
	}
	for chat, n := range clocks {
		if last[chat] != n {
			a.complainf("chat %d: the clock is at turn %d, the last turn is %d", chat, n, last[chat])
		}
	}
}

func (a *accounting) messages(calls []control.Call, turns []turn) {
	known := map[place]bool{}
	for _, t := range turns {
		at := place{t.Chat, t.Bot, t.Sent}
		said := t.Outcome == fellBack || t.Outcome == delivered && t.Kind != kindReaction
		switch {
		case said != (t.Sent != 0):
			a.complainf("turn %d of chat %d is a %s with outcome %q and message %d", t.Number, t.Chat, t.Kind, t.Outcome, t.Sent)
		case said && a.sent[at] != 1:
			a.complainf("turn %d of chat %d was said as message %d, which was sent %d times", t.Number, t.Chat, t.Sent, a.sent[at])
		case said:
			known[at] = true
		case t.Outcome == unknown && t.Delivery != nil:
			a.looseSent[line{t.Chat, t.Bot, t.Delivery.GetText() + t.Delivery.GetEmoji()}]++
		}
	}
	for _, c := range calls {
		if c.Effect != effectSent || known[place{c.Chat, c.Bot, c.EffectMessageID}] {
			continue
		}
		said := line{c.Chat, c.Bot, a.text(c)}
		if a.looseSent[said]--; a.looseSent[said] < 0 {
			a.complainf("message %d of %s in chat %d is of no turn, or of one that was said already: %q", c.EffectMessageID, c.Bot, c.Chat, said.text)
		}
	}
}

func (a *accounting) reactions(calls []control.Call, turns []turn) {
	planned, seen := map[place]int{}, map[place]bool{}
	for _, c := range calls {
		if c.Method == setReaction && c.Status == 200 {
			seen[place{c.Chat, c.Bot, c.EffectMessageID}] = true
		}
	}
	for _, t := range turns {
		if t.Kind != kindReaction {
			continue
		}
		at := place{t.Chat, t.Bot, t.Target}
		planned[at]++
		if t.Outcome == delivered && !seen[at] {
			a.complainf("turn %d of chat %d is a delivered reaction to message %d, which never got one", t.Number, t.Chat, t.Target)
		}
	}
	for at, n := range a.reacted {
		if n > planned[at] {
			a.complainf("%s changed its reaction to message %d of chat %d %d times for %d turns", at.bot, at.message, at.chat, n, planned[at])
		}
	}
}
