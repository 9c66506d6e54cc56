// Package subject holds the names on the bus, and the words for the contracts'
// values. Every service takes them from here, so that each is spelt in one place only.
package subject

import (
	"fmt"
	"strconv"
	"strings"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// The streams. They carry rings: see chorusv1.Ring.
const (
	Turns      = "TURNS"
	Deliveries = "DELIVERIES"
	Prompts    = "PROMPTS"
)

// The subjects of rings: one for each stage.
const (
	Text     = "turn.text"
	Message  = "delivery.message"
	Reaction = "delivery.reaction"
	Command  = "delivery.command"
	Prompt   = "prompt.answer"
)

// The subjects of events: see chorusv1.Event. No stream keeps them.
const (
	Planned = "event.planned" // turns were planned
	Written = "event.written" // turns got their deliveries, or ended without any
	Sent    = "event.sent"    // deliveries of turns ended
	Expired = "event.expired" // turns ended because nobody came to them in time
	Heard   = "event.heard"   // people wrote in chats
	Held    = "event.held"    // texts wait for a person, or no more
	Events  = "event.>"       // all of these
)

// Status is where processes are asked how they are, and answer whoever asks.
const Status = "status"

// All is the filter of everything that a stream holds.
func All(stream string) string {
	switch stream {
	case Turns:
		return "turn.>"
	case Deliveries:
		return "delivery.>"
	case Prompts:
		return "prompt.>"
	}
	return ""
}

// TurnID is the identity of a turn in text.
func TurnID(id *chorusv1.TurnId) string {
	return fmt.Sprintf("%d-%d", id.GetChatId(), id.GetNumber())
}

// ParseTurnID reads what TurnID wrote.
func ParseTurnID(s string) (*chorusv1.TurnId, error) {
	chat, number, ok := strings.Cut(s, "-")
	c, errChat := strconv.ParseInt(chat, 10, 64)
	n, errNumber := strconv.ParseInt(number, 10, 64)
	if !ok || errChat != nil || errNumber != nil || c < 1 || n < 1 {
		return nil, fmt.Errorf("turn id %q: want CHAT-NUMBER, two whole numbers from 1, such as 3-17", s)
	}
	return &chorusv1.TurnId{ChatId: c, Number: n}, nil
}

// OutcomeName is the word for an outcome in tables, metrics and text.
func OutcomeName(o chorusv1.Outcome) string {
	return strings.ToLower(strings.TrimPrefix(o.String(), "OUTCOME_"))
}

// ActionName is the word for an action in tables, metrics and text.
func ActionName(a chorusv1.Action) string {
	return strings.ToLower(strings.TrimPrefix(a.String(), "ACTION_"))
}

// TurnKindName is the word for a turn's kind in tables, metrics and text.
func TurnKindName(k chorusv1.TurnKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "TURN_KIND_"))
}
