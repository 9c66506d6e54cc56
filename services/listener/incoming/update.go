// Package incoming parses Telegram's updates. It keeps the fields that the listener uses,
// limits and cleans all texts, and returns an error for everything else. It never panics on
// hostile input.
package incoming

import (
	"cmp"
	"time"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// Kind is the kind of an update.
type Kind string

// The kinds.
const (
	// Message is a message of a person or a bot.
	Message Kind = "message"
	// Edit is a new text of a message.
	Edit Kind = "edit"
	// Own is a change of the receiving bot's own rights in a chat. In a private chat, a
	// person starts or blocks the bot.
	Own Kind = "own_member"
	// Title is a new title of the chat.
	Title Kind = "title"
	// Moved is a basic group that became a supergroup.
	Moved Kind = "moved"
	// Pressed is a press of a button below a message of the bot. Text is the button's data,
	// and of Chat only the ID is set.
	Pressed Kind = "callback_query"
	// PrivateReply is a reply to a message in a private chat.
	PrivateReply Kind = "private_reply"
	// Private is anything else from outside of groups.
	Private Kind = "private"
	// Other is a kind that Chorus doesn't use or doesn't know.
	Other Kind = "other"
)

// Allowed returns the kinds of update to request from Telegram.
func Allowed() []string {
	return []string{"message", "edited_message", "my_chat_member", "callback_query"}
}

// Update is one update. Its kind decides which fields are set.
type Update struct {
	// ID is the update's id. It rises for each bot.
	ID   int64
	Kind Kind
	Chat Chat
	// From is the author; the zero Person if Telegram doesn't tell.
	From Person
	// At is the time of the event by Telegram's clock, in whole seconds.
	At time.Time
	// Age is the time that the update waited at Telegram; 0 if unknown.
	Age time.Duration
	// MessageID is the receiving bot's id of the message.
	MessageID int64
	// Text is the text, or the kind of another content in brackets, such as [photo]; 1 to
	// 4096 characters.
	Text     string
	ReplyTo  *Reply
	Mentions []Mention
	Command  *Command
	// Query is Telegram's id of a press, used to answer it; at most 64 bytes.
	Query string
	// Role is the receiving bot's role in the chat now.
	Role Role
	// MovedTo and MovedFrom are the ids of a chat that moved. Only one is set; the other is
	// Chat's.
	MovedTo, MovedFrom int64
}

// Chat is a group.
type Chat struct {
	ID         int64
	Supergroup bool
	Title      string // at most 255 characters
}

// Person is a person, a bot, or a chat that acts as an author: an administrator as the
// group, or anybody as their channel.
type Person struct {
	// ID is the chat's id, below 0, if the author acts as a chat.
	ID       int64
	Name     string // 1 to 129 visible characters, without an address
	Username string // at most 64 characters
	Bot      bool
	// Anonymous authors write in the name of the chat. Only its administrators can.
	Anonymous bool
}

// Reply is the message that another one replies to.
type Reply struct {
	MessageID int64 // the receiving bot's id of it
	From      int64 // Telegram's id of its author, as in Person.ID
	Text      string
	At        time.Time
}

// Mention is an account that a text mentions.
type Mention struct {
	Username string // without @; empty if only the ID is known
	ID       int64
}

// Command is a bot command at the beginning of a text, for any bot.
type Command struct {
	Name     string // without slash, in lower case
	Bot      string // the username after @; may be empty
	Argument string
}

// Role is a bot's role in a chat.
type Role struct {
	// Status is Telegram's name of the role.
	Status string
	// Present tells whether the bot is in the chat, Speaks whether it may write.
	Present, Speaks bool
}

// Telegram puts these accounts in place of authors who act as a chat, for clients that
// don't support this. All anonymous administrators share the first, all who write as a
// channel the second, and all posts of linked channels the third. None of them is a person.
const (
	groupAnonymous = 1087968824
	channelBot     = 136817688
	linkedChannel  = 777000
)

// actor returns the author of an event: the chat that they acted as if Telegram names one,
// else the account. It returns the zero Person if the author is unknown.
func actor(u *wireUser, as *wireChat, in wireChat) Person {
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

// chatAsPerson returns a chat as an author. It leaves out the username, because a bot that
// repeats it would advertise the channel.
func chatAsPerson(c *wireChat, in wireChat) Person {
	return Person{ID: c.ID, Name: cmp.Or(names.Sayable(names.Title(c.Title, names.MaxName)), nobody), Anonymous: c.ID == in.ID}
}

// author returns the author of a message.
func author(m *wireMessage) Person { return actor(m.From, m.SenderChat, m.Chat) }
