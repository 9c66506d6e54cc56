// Package incoming reads Telegram's updates: it reduces what anybody may have
// written to what a listener uses, bounded and clean, and never fails otherwise
// than with an error.
package incoming

import (
	"cmp"
	"time"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// Kind is what an update tells.
type Kind string

// The kinds.
const (
	// Message is a message of a person or a bot.
	Message Kind = "message"
	// Edit is a new text of a message.
	Edit Kind = "edit"
	// Own is a change of what the bot that is told may do in the chat, private ones
	// included: there it is a person who starts it or blocks it.
	Own Kind = "own_member"
	// Title is a new title of the chat.
	Title Kind = "title"
	// Moved is a basic group that became a supergroup.
	Moved Kind = "moved"
	// Pressed is a press of a button below a message of the bot: Text is the button's data,
	// and Chat has no more than its ID.
	Pressed Kind = "callback_query"
	// PrivateReply is an answer to a message in a private chat.
	PrivateReply Kind = "private_reply"
	// Private is anything else outside of groups.
	Private Kind = "private"
	// Other is what Chorus has no use for, and kinds that are newer than it.
	Other Kind = "other"
)

// Allowed are the kinds of update that a bot asks Telegram for.
func Allowed() []string {
	return []string{"message", "edited_message", "my_chat_member", "callback_query"}
}

// Update is one update. Which fields are set depends on its kind.
type Update struct {
	// ID is the update's, rising for each bot.
	ID   int64
	Kind Kind
	Chat Chat
	// From is who acted; the zero Person where Telegram doesn't tell.
	From Person
	// At is when it happened, by Telegram's clock, in whole seconds.
	At time.Time
	// Age is how long it had waited at Telegram when it came; 0 where nobody knows.
	Age time.Duration
	// MessageID is the message's, as the bot that is told knows it.
	MessageID int64
	// Text is what was written, or what it is in brackets, such as [photo]; 1 to
	// 4096 characters.
	Text     string
	ReplyTo  *Reply
	Mentions []Mention
	Command  *Command
	// Query is Telegram's id of a press, by which it is answered; at most 64 bytes.
	Query string
	// Role is what the bot that is told is in the chat now.
	Role Role
	// MovedTo and MovedFrom are the ids of a chat that moved, of which one is
	// Chat's and not repeated here.
	MovedTo, MovedFrom int64
}

// Chat is a group.
type Chat struct {
	ID         int64
	Supergroup bool
	Title      string // at most 255 characters
}

// Person is a person or a bot, or who acts as a chat: an administrator as the group,
// or anybody as a channel of theirs.
type Person struct {
	// ID is below 0 for who acts as a chat: it is that chat's.
	ID       int64
	Name     string // 1 to 129 characters that can be seen, without an address
	Username string // at most 64 characters
	Bot      bool
	// Anonymous persons write in the name of the chat, which only its
	// administrators can.
	Anonymous bool
}

// Reply is the message that another one answers.
type Reply struct {
	MessageID int64 // as the bot that is told knows it
	From      int64 // Telegram's id of its author, as that of a Person
	Text      string
	At        time.Time
}

// Mention is somebody whom a text names.
type Mention struct {
	Username string // without @; empty where it is told by ID
	ID       int64
}

// Command is a text that begins with a command of Telegram's form, to whatever bot.
type Command struct {
	Name     string // without slash, in lower case
	Bot      string // the username after @; may be empty
	Argument string
}

// Role is what a bot is in a chat.
type Role struct {
	// Status is Telegram's word.
	Status string
	// Present tells whether they are in the chat, Speaks whether they may write.
	Present, Speaks bool
}

// Telegram's accounts that stand for those who act as a chat, for clients that know
// no better: all anonymous administrators share one, all who write as a channel
// another, and all posts of linked channels a third. None of them is anybody.
const (
	groupAnonymous = 1087968824
	channelBot     = 136817688
	linkedChannel  = 777000
)

// who is who acted in a chat: the chat that they acted as, where Telegram tells one,
// and else the account. It is the zero Person where nobody can tell.
func who(u *wireUser, as *wireChat, in wireChat) Person {
	if as != nil && as.ID < 0 {
		return chatAsPerson(as, in)
	}
	switch {
	case u == nil:
		return Person{}
	case u.ID == groupAnonymous:
		return chatAsPerson(&in, in)
	case u.ID == channelBot, u.ID == linkedChannel:
		return Person{}
	}
	return person(u)
}

// chatAsPerson is who acts as a chat. Its username is left out: a bot would
// advertise the channel with it.
func chatAsPerson(c *wireChat, in wireChat) Person {
	return Person{ID: c.ID, Name: cmp.Or(names.Sayable(names.Title(c.Title, names.MaxName)), nobody), Anonymous: c.ID == in.ID}
}

// author is who wrote a message.
func author(m *wireMessage) Person { return who(m.From, m.SenderChat, m.Chat) }
