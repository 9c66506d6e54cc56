package telegram

import (
	"fmt"
	"time"
)

// Kind classifies the outcome of a call by what the caller may do next.
type Kind int

// The kinds. The zero Kind is Unknown, so that an unset outcome is never taken for a
// success or for permission to repeat the call.
const (
	// Unknown means that the call may have had its effect: the request was written, and no
	// response tells what happened.
	Unknown Kind = iota
	// Done means that the call had its effect.
	Done
	// AlreadyDone means that the effect is there, though Telegram responded with an error.
	// A repetition could double it.
	AlreadyDone
	// RateLimited means that the call had no effect. It may be repeated after
	// Outcome.RetryAfter, not before.
	RateLimited
	// PermanentAction means that Telegram will never accept this message, reaction or
	// emoji.
	PermanentAction
	// PermanentMembership means that this bot can't act in this chat until somebody changes
	// something there.
	PermanentMembership
	// PermanentBot means that Telegram rejects the bot's token. For moments it also rejects
	// valid tokens: only GetMe is certain.
	PermanentBot
	// Moved means that the group became the supergroup Outcome.MigrateTo. The call had no
	// effect and may be made there.
	Moved
	// NotSent means that the call had no effect: nothing was written, or the API was busy.
	// It may be repeated.
	NotSent
)

// String returns the kind's name in metrics and logs.
func (k Kind) String() string {
	switch k {
	case Unknown:
		return "unknown"
	case Done:
		return "done"
	case AlreadyDone:
		return "already_done"
	case RateLimited:
		return "rate_limited"
	case PermanentAction:
		return "permanent_action"
	case PermanentMembership:
		return "permanent_membership"
	case PermanentBot:
		return "permanent_bot"
	case Moved:
		return "moved"
	case NotSent:
		return "not_sent"
	}
	return fmt.Sprintf("kind_%d", int(k))
}

// Outcome describes what happened to a call. It never contains a token.
type Outcome struct {
	Kind Kind
	// Status is the API's error code, else the HTTP status; 0 without a response.
	Status int
	// Description is Telegram's description or the local error. It is empty when Done,
	// unless the result couldn't be read.
	Description string
	// RetryAfter is the wait that Telegram demands of a RateLimited call, unchanged, even
	// if it is hours. It is at least a second, and 0 for other kinds.
	RetryAfter time.Duration
	// MigrateTo is the supergroup's id if Kind is Moved.
	MigrateTo int64
	// At is the time of the response by Telegram's clock, in whole seconds; zero if the
	// response or its Date header is missing.
	At time.Time
	// MessageID is the bot's id of the sent message; 0 if none was sent or Telegram didn't
	// tell.
	MessageID int64
	// SentAt is the message's time by Telegram's clock, in whole seconds; zero if Telegram
	// didn't tell.
	SentAt time.Time
	// ReplyNotFound says that the message to reply to is deleted, or unknown to the bot.
	// Without ReplyTo this error wouldn't have occurred.
	ReplyNotFound bool
	// MessageGone says that the message to react to, or to edit, is deleted, or unknown to
	// the bot.
	MessageGone bool
	// Muted says of a PermanentMembership that the bot is in the chat but may not write
	// there. It may still be allowed to react.
	Muted bool
	// TooLate says that the call was NotSent because its NotAfter had passed.
	TooLate bool
	// Withheld says that middleware did not make the call. It is NotSent.
	Withheld bool
	// ReactionInvalid says that the chat doesn't allow the reaction (any more), so stored
	// lists of its allowed reactions are outdated.
	ReactionInvalid bool
}

// OK reports whether the call had its effect.
func (o Outcome) OK() bool { return o.Kind == Done || o.Kind == AlreadyDone }

// Err returns the outcome as an error; nil if OK.
func (o Outcome) Err() error {
	switch {
	case o.OK():
		return nil
	case o.Status != 0:
		return fmt.Errorf("telegram: %s (%d, %v)", o.Description, o.Status, o.Kind)
	}
	return fmt.Errorf("telegram: %s (%v)", o.Description, o.Kind)
}
