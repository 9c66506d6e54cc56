package world

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf16"
)

// Message is a message, independent of its viewer. It never changes: an edit makes a new one.
type Message struct {
	Seq      int64     `json:"seq"`
	From     int64     `json:"from"`
	SentAt   time.Time `json:"at"`
	EditedAt time.Time `json:"edited,omitzero"`
	Thread   int64     `json:"thread,omitempty"`
	Content
	ReplyTo int64           `json:"reply,omitempty"` // number of the message it answers
	Markup  json.RawMessage `json:"markup,omitempty"`
	Service *Service        `json:"service,omitempty"`
}

// Service is an event in a chat that is no message of a member.
type Service struct {
	Joined      []int64 `json:"joined,omitempty"`
	Left        int64   `json:"left,omitempty"`
	Title       string  `json:"title,omitempty"`
	MigrateTo   int64   `json:"migrate_to,omitempty"`
	MigrateFrom int64   `json:"migrate_from,omitempty"`
}

// Post is a message as one account sees it.
type Post struct {
	ID       int64 // what the account calls it
	Seq      int64 // the chat's own number of it
	Chat     Chat
	From     Account
	SentAt   time.Time
	EditedAt time.Time
	Thread   int64
	Content
	ReplyTo   *Post
	Markup    json.RawMessage
	Service   *Service
	Joined    []Account
	Left      *Account
	Reactions []Reaction
}

// Reaction is an emoji on a message with everyone who chose it.
type Reaction struct {
	Emoji string
	By    []Account
}

// view shows one version of a message to an account; nil is a person.
func (w *World) view(c *chat, viewer *account, m *Message, id int64) Post {
	p := Post{
		ID: id, Seq: m.Seq, Chat: c.Chat, From: w.profile(m.From),
		SentAt: m.SentAt, EditedAt: m.EditedAt, Thread: m.Thread,
		Content: m.Content, Markup: m.Markup, Service: m.Service,
	}
	if answered := c.at(m.ReplyTo); m.ReplyTo != 0 && answered != nil {
		if known, ok := c.idFor(viewer, answered); ok {
			shown := w.view(c, viewer, withoutReply(answered.Message), known)
			p.ReplyTo = &shown
		}
	}
	if m.Service == nil {
		return p
	}
	for _, joined := range m.Service.Joined {
		p.Joined = append(p.Joined, w.profile(joined))
	}
	if m.Service.Left != 0 {
		left := w.profile(m.Service.Left)
		p.Left = &left
	}
	return p
}

// withoutReply ends the chain of answers, as the Bot API does.
func withoutReply(m *Message) *Message {
	if m.ReplyTo == 0 {
		return m
	}
	plain := *m
	plain.ReplyTo = 0
	return &plain
}

// show is the current version with its reactions, as people see it.
func (w *World) show(c *chat, p *post) Post {
	shown := w.view(c, nil, p.Message, p.Message.Seq)
	for _, r := range p.Reactions {
		by := w.profile(r.By)
		found := false
		for i := range shown.Reactions {
			if shown.Reactions[i].Emoji == r.Emoji {
				shown.Reactions[i].By = append(shown.Reactions[i].By, by)
				found = true
			}
		}
		if !found {
			shown.Reactions = append(shown.Reactions, Reaction{Emoji: r.Emoji, By: []Account{by}})
		}
	}
	return shown
}

// anonymousAdmin is the account that Telegram shows as the author if a group writes in its own
// name.
const anonymousAdmin = 1087968824

func (w *World) profile(id int64) Account {
	if id == anonymousAdmin {
		return Account{ID: id, Bot: true, Name: "Group", Username: "GroupAnonymousBot"}
	}
	if a := w.state.Accounts[id]; a != nil {
		return a.Account
	}
	return Account{ID: id, Name: "Deleted Account"}
}

// sees reports whether a bot gets a new message.
func (w *World) sees(c *chat, bot *account, m *Message) bool {
	if bot.ID == m.From {
		return true
	}
	role := c.Members[bot.ID]
	if !role.present() {
		return false
	}
	author := w.profile(m.From)
	everything := role.admin() || !bot.Privacy || c.Kind == Private
	switch {
	case m.Service != nil:
		return true
	case !author.Bot:
		return everything || w.answers(c, bot, m) || mentions(m, bot.Username, "mention", "bot_command")
	case bot.BotToBot && everything:
		return true
	default:
		return (bot.BotToBot || author.BotToBot) && (w.answers(c, bot, m) || mentions(m, bot.Username, "bot_command"))
	}
}

// answers reports whether a message replies to one of the bot's own.
func (w *World) answers(c *chat, bot *account, m *Message) bool {
	answered := c.at(m.ReplyTo)
	return m.ReplyTo != 0 && answered != nil && answered.Message.From == bot.ID
}

// mentions reports whether an entity of one of the kinds ends in @username.
func mentions(m *Message, username string, kinds ...string) bool {
	units := utf16.Encode([]rune(m.Text))
	for _, e := range m.Entities {
		for _, kind := range kinds {
			if e.Type != kind || e.Offset+e.Length > len(units) {
				continue
			}
			part := string(utf16.Decode(units[e.Offset : e.Offset+e.Length]))
			if _, name, ok := strings.Cut(part, "@"); ok && strings.EqualFold(name, username) {
				return true
			}
		}
	}
	return false
}
