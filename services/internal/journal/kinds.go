package journal

import chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"

// Lane is what a chat's deliveries share that are made one after the other.
type Lane string

// The lanes. Answers to commands belong to no conversation and wait for none; reactions
// that hang hold no message up.
const (
	LaneMessage  Lane = "message"
	LaneReaction Lane = "reaction"
	LaneCommand  Lane = "command"
)

// LaneOf is the lane of a kind of turn.
func LaneOf(kind chorusv1.TurnKind) Lane {
	switch kind {
	case chorusv1.TurnKind_TURN_KIND_REACTION:
		return LaneReaction
	case chorusv1.TurnKind_TURN_KIND_COMMAND:
		return LaneCommand
	case chorusv1.TurnKind_TURN_KIND_UNSPECIFIED, chorusv1.TurnKind_TURN_KIND_MESSAGE, chorusv1.TurnKind_TURN_KIND_REPLY:
	}
	return LaneMessage
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
