package journal

import (
	"slices"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// Kind describes a kind of delivery: one call of the Bot API.
type Kind struct {
	Action chorusv1.Action
	// Method is the Bot API's name of the call.
	Method string
	// Lane is the queue of the kind's deliveries.
	Lane Lane
	// Message says that the call creates a message. Messages count against their chat's
	// limits, other calls against a share of their bot's.
	Message bool
	// Repeatable says that the call is idempotent, so it may be repeated when its outcome
	// is unknown.
	Repeatable bool
	// OwnRight says that a chat may forbid this call and still allow texts. A bot that
	// lacks the right isn't suspended.
	OwnRight bool
	// Fallback is the action that replaces the call when Telegram refuses it for good and
	// the delivery has a fallback. Unspecified means none.
	Fallback chorusv1.Action
}

// Kinds returns the table of all kinds of deliveries.
func Kinds() []Kind {
	const (
		message  = chorusv1.Action_ACTION_SEND_MESSAGE
		reaction = chorusv1.Action_ACTION_SET_REACTION
		sticker  = chorusv1.Action_ACTION_SEND_STICKER
		edit     = chorusv1.Action_ACTION_EDIT_MESSAGE
	)
	return []Kind{
		{Action: message, Method: "sendMessage", Lane: LaneMessage, Message: true},
		{Action: reaction, Method: "setMessageReaction", Lane: LaneReaction, Repeatable: true, OwnRight: true, Fallback: message},
		{Action: sticker, Method: "sendSticker", Lane: LaneMessage, Message: true, OwnRight: true, Fallback: message},
		{Action: edit, Method: "editMessageText", Lane: LaneMessage, Repeatable: true},
	}
}

// KindOf returns the kind of an action. Unknown actions count as messages.
func KindOf(a chorusv1.Action) Kind {
	all := Kinds()
	return all[max(slices.IndexFunc(all, func(k Kind) bool { return k.Action == a }), 0)]
}

// Lane names a queue of deliveries. In each chat, the deliveries of one lane are made one
// after the other.
type Lane string

// The lanes. Answers to commands belong to no conversation, so they don't wait for one. A
// slow reaction delays no message.
const (
	LaneMessage  Lane = "message"
	LaneReaction Lane = "reaction"
	LaneCommand  Lane = "command"
	// LaneHeld holds texts that wait for a person's approval. Nothing is sent from it.
	LaneHeld Lane = "held"
)

// Lanes returns the lanes that senders send from.
func Lanes() []Lane { return []Lane{LaneMessage, LaneReaction, LaneCommand} }

// LaneOf returns the lane of all deliveries of a turn. The first delivery decides, because
// a turn's deliveries are made in order and so need one lane.
func LaneOf(turn chorusv1.TurnKind, first *chorusv1.Delivery) Lane {
	if turn == chorusv1.TurnKind_TURN_KIND_COMMAND {
		return LaneCommand
	}
	return KindOf(first.GetAction()).Lane
}

// Step names one of the calls of a delivery.
type Step string

// The steps of a delivery.
const (
	// Action is the planned call.
	Action Step = "action"
	// Fallback is the call after Telegram has refused the action for good.
	Fallback Step = "fallback"
)
