package page

import (
	"context"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
)

// Chats is the data of the page. All methods must be safe for concurrent use. They return a
// *world.InputError for bad input.
type Chats interface {
	// Chats returns all chats, in any order.
	Chats() []Chat
	// Chat returns one of them.
	Chat(id int64) (Chat, error)
	// History returns the last limit messages before a message id, oldest
	// first; before 0 means the newest.
	History(chat, before int64, limit int) ([]Message, error)
	// Revision is the number of the latest event.
	Revision() uint64
	// Watch follows the events after a revision until ctx ends. It reports false
	// where the earlier ones are forgotten; then the feed has only what happens
	// from now on.
	Watch(ctx context.Context, after uint64) (feed Feed, complete bool)
}

// Feed is the events that one reader is told, in order.
type Feed interface {
	// Next waits for an event. It fails with io.EOF when there will be none any
	// more, as the reader fell behind or the chats are closed, and with the
	// context's error when that ends first: then one may call it again.
	Next(ctx context.Context) (Event, error)
}

// Chat is a group, or a person's private chat with a bot.
type Chat struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
	// Person is whose private chat it is, by name: it is shown to nobody else. Blocked tells
	// that the person has blocked its bot.
	Person  string   `json:"person,omitempty"`
	Blocked bool     `json:"blocked,omitempty"`
	Note    string   `json:"note,omitempty"` // a line beside the title
	Members []Member `json:"members"`
	// Reactions are the emoji that may be used.
	Reactions []string `json:"reactions"`
	// MovedTo is the chat that replaced this one, which takes no more messages.
	MovedTo int64 `json:"moved_to,omitempty"`
	// Last is the newest message.
	Last *Message `json:"last,omitempty"`
}

// Member is a bot or a person.
type Member struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	Username string `json:"username,omitempty"`
	Bot      bool   `json:"bot,omitempty"`
	// Admin is true for an administrator, in the members of a chat.
	Admin bool `json:"admin,omitempty"`
}

// Message is a message as it is now.
type Message struct {
	ID        int64           `json:"id"`
	From      Member          `json:"from"`
	At        time.Time       `json:"at"`
	Edited    bool            `json:"edited,omitempty"`
	Text      string          `json:"text,omitempty"`
	Entities  []markup.Entity `json:"entities,omitempty"`
	ReplyTo   *Quote          `json:"reply_to,omitempty"`
	Reactions []Reaction      `json:"reactions,omitempty"`
	// Buttons are the rows of an inline keyboard.
	Buttons [][]Button `json:"buttons,omitempty"`
	// Service describes an event that is no message.
	Service string `json:"service,omitempty"`
}

// Button is one under a bot's message. It opens an address, or its data goes to the
// bot.
type Button struct {
	Text string `json:"text"`
	Data string `json:"data,omitempty"`
	URL  string `json:"url,omitempty"`
}

// Quote is the message that another one answers.
type Quote struct {
	ID   int64  `json:"id"`
	From Member `json:"from"`
	Text string `json:"text"` // its beginning
}

// Reaction is an emoji on a message with everyone who chose it.
type Reaction struct {
	Emoji string   `json:"emoji"`
	By    []Member `json:"by"`
}

// Kind is the subject of an Event, and the event's name on the wire.
type Kind string

// The kinds of event.
const (
	Said    Kind = "message" // Message is new
	Changed Kind = "change"  // Message has another text or other reactions
	Deleted Kind = "delete"  // the message MessageID is gone
	Typing  Kind = "typing"  // Member is about to write
	Profile Kind = "chat"    // the chat is new, or its title or members are
	Reset   Kind = "reset"   // everything may be different
)

// Event is something that happened in a chat.
type Event struct {
	// Revision numbers the events; 0 for those that needn't be caught up with.
	Revision  uint64   `json:"-"`
	Kind      Kind     `json:"-"`
	Chat      int64    `json:"chat"`
	MessageID int64    `json:"message_id,omitempty"`
	Message   *Message `json:"message,omitempty"`
	Member    *Member  `json:"member,omitempty"`
}
