// Package subject defines the names of streams and subjects on the bus, and the names of
// enum values in text. Every service uses them, so each is spelt in one place only.
package subject

import (
	"fmt"
	"strconv"
	"strings"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// These streams carry rings, see chorusv1.Ring.
const (
	Turns      = "TURNS"
	Deliveries = "DELIVERIES"
	Prompts    = "PROMPTS"
)

// These are the subjects of rings, one for each stage.
const (
	Text     = "turn.text"
	Message  = "delivery.message"
	Reaction = "delivery.reaction"
	Command  = "delivery.command"
	Prompt   = "prompt.answer"
)

// These are the subjects of events, see chorusv1.Event. No stream stores them.
const (
	Planned = "event.planned" // turns were planned
	Written = "event.written" // turns got their deliveries, or ended without any
	Sent    = "event.sent"    // deliveries of turns ended
	Expired = "event.expired" // turns expired
	Heard   = "event.heard"   // people wrote in chats
	Held    = "event.held"    // texts began or ended to wait for an operator
	Events  = "event.>"       // all of these
)

// Status is the subject of requests for the status of all processes.
const Status = "status"

// All returns the subject filter for everything in a stream.
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

// TurnID formats the identity of a turn.
func TurnID(id *chorusv1.TurnId) string {
	return fmt.Sprintf("%d-%d", id.GetChatId(), id.GetNumber())
}

// ParseTurnID parses the form of TurnID.
func ParseTurnID(s string) (*chorusv1.TurnId, error) {
	chat, number, ok := strings.Cut(s, "-")
	c, errChat := strconv.ParseInt(chat, 10, 64)
	n, errNumber := strconv.ParseInt(number, 10, 64)
	if !ok || errChat != nil || errNumber != nil || c < 1 || n < 1 {
		return nil, fmt.Errorf("turn id %q: want CHAT-NUMBER, two whole numbers from 1, such as 3-17", s)
	}
	return &chorusv1.TurnId{ChatId: c, Number: n}, nil
}

// OutcomeName returns the name of an outcome in tables, metrics and text.
func OutcomeName(o chorusv1.Outcome) string {
	return strings.ToLower(strings.TrimPrefix(o.String(), "OUTCOME_"))
}

// ActionName returns the name of an action in tables, metrics and text.
func ActionName(a chorusv1.Action) string {
	return strings.ToLower(strings.TrimPrefix(a.String(), "ACTION_"))
}

// TurnKindName returns the name of a turn's kind in tables, metrics and text.
func TurnKindName(k chorusv1.TurnKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "TURN_KIND_"))
}
