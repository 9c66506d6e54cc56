package world

import (
	"fmt"
	"slices"
	"strings"
)

// The kinds of chat.
const (
	Group      = "group"      // a basic group
	Supergroup = "supergroup" // a group with ids of its own
)

// Chat is a group, or a person's private chat with a bot.
type Chat struct {
	ID    int64  `json:"id"`
	Kind  string `json:"kind"`
	Title string `json:"title"`
	// Person is whose private chat it is; nil for a group.
	Person *Account `json:"person,omitempty"`
	// Note is a line that the page shows beside the title.
	Note string `json:"note,omitempty"`
	// Reactions are the emoji that may be used; nil: all, empty: none.
	Reactions *[]string `json:"available_reactions,omitempty"`
	// ReadOnly lets administrators write only.
	ReadOnly bool `json:"read_only,omitempty"`
	// Topics make a supergroup a forum: name of the topic by thread id.
	Topics map[int64]Topic `json:"topics,omitempty"`
	// MigratedTo is the supergroup that replaced this basic group.
	MigratedTo int64 `json:"migrated_to,omitempty"`
	// MigratedFrom is the basic group that this supergroup replaced.
	MigratedFrom int64 `json:"migrated_from,omitempty"`
}

// Topic is a thread of a forum. Thread 1 is General and needs no entry.
type Topic struct {
	Name   string `json:"name"`
	Closed bool   `json:"closed,omitempty"`
}

// Role is an account's role in a chat.
type Role string

// The roles, named as in the Bot API.
const (
	Creator       Role = "creator"
	Administrator Role = "administrator"
	Ordinary      Role = "member"
	Restricted    Role = "restricted" // may read, may not write
	Left          Role = "left"
	Kicked        Role = "kicked"
)

func (r Role) present() bool { return r != "" && r != Left && r != Kicked }
func (r Role) admin() bool   { return r == Creator || r == Administrator }

// Member is an account in a chat.
type Member struct {
	Account

	Role Role `json:"role"`
}

// chat is a Chat with its members and its last messages.
type chat struct {
	Chat

	Members map[int64]Role `json:"members"`
	First   int64          `json:"first"` // number of posts[0]
	Posts   []*post        `json:"posts"` // nil where a message was deleted
}

// post is a message with what changes about it.
type post struct {
	Message   *Message   `json:"m"`
	IDs       []boxID    `json:"ids,omitempty"` // basic groups: its id for each bot
	Reactions []reaction `json:"r,omitempty"`
}

type boxID struct {
	Bot int64 `json:"b"`
	ID  int64 `json:"i"`
}

type reaction struct {
	By    int64  `json:"by"`
	Emoji string `json:"e"`
}

// at returns the message with a number, or nil.
func (c *chat) at(seq int64) *post {
	i := seq - c.First
	if i < 0 || i >= int64(len(c.Posts)) {
		return nil
	}
	return c.Posts[i]
}

func (c *chat) next() int64 { return c.First + int64(len(c.Posts)) }

// find returns the message that an account calls id, or nil. People and
// supergroups use the chat's numbers, bots in basic groups their own.
func (c *chat) find(viewer *account, id int64) *post {
	if c.Kind == Supergroup || viewer == nil || !viewer.Bot {
		return c.at(id)
	}
	if where, ok := viewer.box[id]; ok && where.chat == c.ID {
		return c.at(where.seq)
	}
	return nil
}

// idFor returns an account's id of the message; false if the account doesn't know it.
func (c *chat) idFor(viewer *account, p *post) (int64, bool) {
	if c.Kind == Supergroup || viewer == nil || !viewer.Bot {
		return p.Message.Seq, true
	}
	for _, known := range p.IDs {
		if known.Bot == viewer.ID {
			return known.ID, true
		}
	}
	return 0, false
}

// allows reports whether members may react with the emoji.
func (c *chat) allows(emoji string) bool {
	return IsReaction(emoji) && (c.Reactions == nil || slices.Contains(*c.Reactions, emoji))
}

// check finds what is wrong with the description of a chat.
func (c Chat) check() error {
	switch {
	case c.Kind != Group && c.Kind != Supergroup: // a private chat begins with Start
		return invalid("kind", c.Kind, list([]string{Group, Supergroup}))
	case strings.TrimSpace(c.Title) == "" || len(c.Title) > 255:
		return invalid("title", c.Title, "1 to 255 bytes")
	case c.Kind == Group && (c.ID >= 0 || c.ID <= supergroupID):
		return invalid("id", fmt.Sprint(c.ID), "between -999999999999 and -1 for a group")
	case c.Kind == Supergroup && c.ID >= supergroupID:
		return invalid("id", fmt.Sprint(c.ID), "below -1000000000000 for a supergroup")
	case c.Kind == Group && len(c.Topics) > 0:
		return invalid("topics", fmt.Sprint(len(c.Topics)), "empty for a group")
	}
	if c.Reactions != nil {
		for _, emoji := range *c.Reactions {
			if !IsReaction(emoji) {
				return invalid("available_reactions", emoji, "one of Telegram's 73 reactions, without U+FE0F")
			}
		}
	}
	return nil
}
