package journal

import (
	"slices"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// Kind is a kind of delivery: one call to Telegram.
type Kind struct {
	Action chorusv1.Action
	// Method is the Bot API's name of the call.
	Method string
	// Lane is where deliveries of the kind wait for each other.
	Lane Lane
	// Message tells that the call makes a message. Messages have the limits of their chat;
	// other calls have a share of their bot's.
	Message bool
	// Repeatable tells that to make the call again changes nothing. So it may be made again
	// when nobody knows whether it had its effect.
	Repeatable bool
	// OwnRight tells that a chat may forbid the call and allow texts. So a bot that may not
	// make it is not suspended.
	OwnRight bool
	// Fallback is what is done instead when Telegram refuses the call for good and the
	// delivery has a fallback; unspecified where none can.
	Fallback chorusv1.Action
}

// Kinds is the table of all kinds of deliveries.
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

// KindOf is the kind of an action; that of messages for one that nobody knows.
func KindOf(a chorusv1.Action) Kind {
	all := Kinds()
	return all[max(slices.IndexFunc(all, func(k Kind) bool { return k.Action == a }), 0)]
}

// Lane is what a chat's deliveries share that are made one after the other.
type Lane string

// The lanes. Answers to commands belong to no conversation and wait for none; reactions
// that hang hold no message up.
const (
	LaneMessage  Lane = "message"
	LaneReaction Lane = "reaction"
	LaneCommand  Lane = "command"
	// LaneHeld is where texts wait for a person: nobody sends from it.
	LaneHeld Lane = "held"
)

// Lanes are those that are sent from.
func Lanes() []Lane { return []Lane{LaneMessage, LaneReaction, LaneCommand} }

// LaneOf is the lane of a turn's deliveries, by the first of them: as they are made in
// order, they have one lane.
func LaneOf(turn chorusv1.TurnKind, first *chorusv1.Delivery) Lane {
	if turn == chorusv1.TurnKind_TURN_KIND_COMMAND {
		return LaneCommand
	}
	return KindOf(first.GetAction()).Lane
}

// Step is which of a delivery's calls is meant.
type Step string

// The steps of a delivery.
const (
	// Action is what the delivery is for.
	Action Step = "action"
	// Fallback is what is done when the action is refused for good.
	Fallback Step = "fallback"
)
