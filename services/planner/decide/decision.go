package decide

import (
	"fmt"
	"time"
)

// Decision is a turn, or why there is none now.
type Decision struct {
	// Turn is nil if nothing is to be done now; Skip then says why.
	Turn *Turn
	Skip Skip
	// Next is the time of the chat's next decision. It is always after Now and counted from
	// Now: after a standstill nothing is made up for.
	Next time.Time
	// Lively reports whether the chat is in a lively spell until Next.
	Lively bool
}

// Turn is an action of a bot.
type Turn struct {
	BotID int64
	Kind  Kind
	// Target is the number of the message replied or reacted to; 0 for none.
	Target int64
	// Also is the number of somebody else's message that a reply to a person answers,
	// too; 0 for none.
	Also int64
	// Topic is one of the chat's topics, or of the bot's interests where the
	// chat has none; empty for reactions, and where there is nothing to choose.
	Topic   string
	Length  Length
	Mention Mention
	// Emoji is the reaction in Telegram's form; empty for other kinds.
	Emoji string
	// Sticker is the file id of the sticker that is sent as the reaction; empty for none.
	Sticker   string
	ExpiresAt time.Time
	// Seed seeds the random choices of the services that carry out the turn.
	Seed uint64
	// RefreshPersona asks to recall the bot's persona to it, UseNews to take up
	// a headline if there is one.
	RefreshPersona, UseNews bool
	// Bubbles lets the text be sent as several messages.
	Bubbles bool
	// Reasons are the rules that led here, in the order they were applied.
	Reasons []Reason
}

// Reason is one rule that led to a turn.
type Reason struct {
	// Rule is the rule's name, such as target.question.
	Rule string
	// Weight is the rule's contribution: a score, a factor or a probability.
	Weight float64
	// Detail is the rule's reason: a topic, a bot's name. It is never the text of a message.
	Detail string
}

// Kind is the kind of a turn. The numbers are those of the bus' contract.
type Kind int

// The kinds.
const (
	KindMessage Kind = iota + 1
	KindReply
	KindReaction
)

// String is the kind's name in the journal and in metrics.
func (k Kind) String() string {
	switch k {
	case KindMessage:
		return "message"
	case KindReply:
		return "reply"
	case KindReaction:
		return "reaction"
	}
	return fmt.Sprintf("kind_%d", int(k))
}

// Length is the intended length of a text. The numbers are those of the bus' contract.
type Length int

// The lengths: one or two, two or three, three or four sentences.
const (
	LengthNone Length = iota
	LengthShort
	LengthMedium
	LengthLong
)

// String is the length's name.
func (l Length) String() string {
	switch l {
	case LengthNone:
		return "none"
	case LengthShort:
		return "short"
	case LengthMedium:
		return "medium"
	case LengthLong:
		return "long"
	}
	return fmt.Sprintf("length_%d", int(l))
}

// Mention is the place where a text names the author that it answers. The numbers are those of
// the bus' contract.
type Mention int

// The places.
const (
	MentionNone Mention = iota
	MentionStart
	MentionEnd
)

// String is the place's name.
func (m Mention) String() string {
	switch m {
	case MentionNone:
		return "none"
	case MentionStart:
		return "start"
	case MentionEnd:
		return "end"
	}
	return fmt.Sprintf("mention_%d", int(m))
}
