// Package worldchats shows the emulator's world on the chat page.
package worldchats

import (
	"errors"

	"github.com/chorus-cast/chorus/services/lab/emulator/page"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// Chats are the groups of a world. It keeps nothing itself.
type Chats struct{ world *world.World }

var _ page.Chats = (*Chats)(nil)

// New returns the chats of a world. They follow it until it is closed.
func New(w *world.World) *Chats { return &Chats{world: w} }

// Chats returns all groups.
func (c *Chats) Chats() []page.Chat {
	profiles := c.world.Chats()
	chats := make([]page.Chat, 0, len(profiles))
	for _, profile := range profiles {
		// A reset may have removed it meanwhile.
		if chat, err := c.Chat(profile.ID); err == nil {
			chats = append(chats, chat)
		}
	}
	return chats
}

// Chat returns one group with those who are in it, and its last message.
func (c *Chats) Chat(id int64) (page.Chat, error) {
	profile, members, ok := c.world.Chat(id)
	if !ok {
		return page.Chat{}, &page.InputError{Field: "chat", Value: decimal(id), Allowed: "a chat that exists"}
	}
	last, err := c.History(id, 0, 1)
	if err != nil {
		return page.Chat{}, err
	}
	chat := page.Chat{
		ID: profile.ID, Title: profile.Title, Note: profile.Note, MovedTo: profile.MigratedTo,
		Members: []page.Member{}, Reactions: world.Reactions(),
	}
	for _, m := range members {
		if m.Role != world.Left && m.Role != world.Kicked {
			shown := member(m.Account)
			shown.Admin = m.Role == world.Administrator || m.Role == world.Creator
			chat.Members = append(chat.Members, shown)
		}
	}
	if profile.Reactions != nil {
		chat.Reactions = append([]string{}, *profile.Reactions...)
	}
	if len(last) > 0 {
		chat.Last = &last[0]
	}
	return chat, nil
}

// History returns the last messages before one, oldest first.
func (c *Chats) History(chat, before int64, limit int) ([]page.Message, error) {
	posts, err := c.world.History(chat, before, limit)
	if err != nil {
		return nil, wrong(err)
	}
	messages := make([]page.Message, 0, len(posts))
	for i := range posts {
		messages = append(messages, message(&posts[i]))
	}
	return messages, nil
}

// Say adds a person's message. The person becomes a member where needed.
func (c *Chats) Say(chat int64, name, text string, replyTo int64) (page.Message, error) {
	post, err := c.world.Say(chat, name, text, replyTo)
	if err != nil {
		return page.Message{}, wrong(err)
	}
	return message(&post), nil
}

// React sets a person's reaction; "" takes it away.
func (c *Chats) React(chat, message int64, name, emoji string) error {
	return wrong(c.world.ReactAs(chat, message, name, emoji))
}

// Press presses a button for a person.
func (c *Chats) Press(chat, message int64, name, data string) error {
	_, err := c.world.Press(chat, message, name, data)
	return wrong(err)
}

// SetAdmin makes a person an administrator, or an ordinary member. Bots' roles are
// left to the control interface.
func (c *Chats) SetAdmin(chat int64, name string, admin bool) error {
	if account, known := c.world.Find(name); name == "" || known && account.Bot {
		return &page.InputError{Field: "name", Value: name, Allowed: "a person's name"}
	}
	role := world.Ordinary
	if admin {
		role = world.Administrator
	}
	return wrong(c.world.SetRole(chat, name, role))
}

// wrong makes the page's error for wrong input of the world's.
func wrong(err error) error {
	if input, ok := errors.AsType[*world.InputError](err); ok {
		return &page.InputError{Field: input.Field, Value: input.Value, Allowed: input.Allowed}
	}
	return err
}
