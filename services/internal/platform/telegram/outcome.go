package telegram

import (
	"fmt"
	"time"
)

// Kind sorts the outcomes of a call by what is to be done next.
type Kind int

// The kinds. The zero Kind is Unknown, so that an outcome nobody filled in is
// never taken for a success, nor for leave to try again.
const (
	// Unknown calls may have had their effect: the request was written, and no
	// answer tells what became of it.
	Unknown Kind = iota
	// Done calls had their effect.
	Done
	// AlreadyDone calls had their effect, or found it there already, though
	// Telegram answered with an error. To repeat them could double the effect.
	AlreadyDone
	// RateLimited calls had no effect. They may be made again after
	// Outcome.RetryAfter, and not before.
	RateLimited
	// PermanentAction calls will never be accepted as they are: this message,
	// this reaction, this emoji.
	PermanentAction
	// PermanentMembership: this bot can't act in this chat, whatever it does, until
	// somebody changes something there.
	PermanentMembership
	// PermanentBot: Telegram refuses the bot's token. For moments it does so with
	// good ones, too: only GetMe tells.
	PermanentBot
	// Moved: the group became the supergroup Outcome.MigrateTo. The call had no
	// effect and may be made there.
	Moved
	// NotSent calls had no effect: nothing was written, or the API was
	// busy. They may be made again.
	NotSent
)

// String is the kind's name in metrics and logs.
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

// Outcome is what became of a call. It never contains a token.
type Outcome struct {
	Kind Kind
	// Status is the API's error code, else the HTTP status; 0 without an answer.
	Status int
	// Description is Telegram's own, or what went wrong on the way. It is "" when
	// Done, unless the result couldn't be read.
	Description string
	// RetryAfter is how long a RateLimited call must wait, exactly as Telegram
	// said, be it hours. It is at least a second there, 0 elsewhere.
	RetryAfter time.Duration
	// MigrateTo is the supergroup's id where Kind is Moved.
	MigrateTo int64
	// At is Telegram's clock when it answered, in whole seconds; zero where no answer
	// or its HTTP header tells.
	At time.Time
	// MessageID is the id of the message that was sent, as the bot knows it; 0
	// where none was sent or Telegram didn't tell.
	MessageID int64
	// SentAt is the time of that message by Telegram's clock, in whole seconds; zero
	// where Telegram didn't tell.
	SentAt time.Time
	// ReplyNotFound tells that the message to reply to is gone, or was never
	// known to the bot: without ReplyTo the call would have passed this point.
	ReplyNotFound bool
	// MessageGone tells that the message to react to, or to edit, is gone, or was never known
	// to the bot.
	MessageGone bool
	// Muted tells, of a PermanentMembership, that the bot is in the chat and may
	// not write there. Whether it may react is another matter.
	Muted bool
	// TooLate tells that the call was NotSent because its NotAfter had passed.
	TooLate bool
	// Withheld tells that middleware did not make the call, which is NotSent.
	Withheld bool
	// ReactionInvalid tells that the chat doesn't allow the reaction (any more),
	// so what is remembered of its allowed reactions is wrong.
	ReactionInvalid bool
}

// OK tells whether the call had its effect.
func (o Outcome) OK() bool { return o.Kind == Done || o.Kind == AlreadyDone }

// Err is the outcome as an error; nil if OK.
func (o Outcome) Err() error {
	switch {
	case o.OK():
		return nil
	case o.Status != 0:
		return fmt.Errorf("telegram: %s (%d, %v)", o.Description, o.Status, o.Kind)
	}
	return fmt.Errorf("telegram: %s (%v)", o.Description, o.Kind)
}
