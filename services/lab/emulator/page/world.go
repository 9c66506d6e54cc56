package page

import (
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// worldChats are the groups of a world. It keeps nothing itself.
type worldChats struct{ world *world.World }

var _ Chats = worldChats{}

// Of returns the chats of a world. They follow it until it is closed.
func Of(w *world.World) Chats { return worldChats{w} }

// Chats returns all groups.
func (c worldChats) Chats() []Chat {
	profiles := c.world.Chats()
	chats := make([]Chat, 0, len(profiles))
	for _, profile := range profiles {
		// A reset may have removed it meanwhile.
		if chat, err := c.Chat(profile.ID); err == nil {
			chats = append(chats, chat)
		}
	}
	return chats
}

// Chat returns one group with those who are in it, and its last message.
func (c worldChats) Chat(id int64) (Chat, error) {
	profile, members, ok := c.world.Chat(id)
	if !ok {
		return Chat{}, &world.InputError{Field: "chat", Value: decimal(id), Allowed: "a chat that exists"}
	}
	last, err := c.History(id, 0, 1)
	if err != nil {
		return Chat{}, err
	}
	chat := Chat{
		ID: profile.ID, Title: profile.Title, Note: profile.Note, MovedTo: profile.MigratedTo,
		Members: []Member{}, Reactions: world.Reactions(),
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
func (c worldChats) History(chat, before int64, limit int) ([]Message, error) {
	posts, err := c.world.History(chat, before, limit)
	if err != nil {
		return nil, err
	}
	messages := make([]Message, 0, len(posts))
	for i := range posts {
		messages = append(messages, message(&posts[i]))
	}
	return messages, nil
}

// Say adds a person's message. The person becomes a member where needed.
func (c worldChats) Say(chat int64, name, text string, replyTo int64) (Message, error) {
	post, err := c.world.Say(chat, name, text, replyTo)
	if err != nil {
		return Message{}, err
	}
	return message(&post), nil
}

// React sets a person's reaction; "" takes it away.
func (c worldChats) React(chat, message int64, name, emoji string) error {
	return c.world.ReactAs(chat, message, name, emoji)
}

// Press presses a button for a person.
func (c worldChats) Press(chat, message int64, name, data string) error {
	_, err := c.world.Press(chat, message, name, data)
	return err
}

// SetAdmin makes a person an administrator, or an ordinary member. Bots' roles are
// left to the control interface.
func (c worldChats) SetAdmin(chat int64, name string, admin bool) error {
	if account, known := c.world.Find(name); name == "" || known && account.Bot {
		return &world.InputError{Field: "name", Value: name, Allowed: "a person's name"}
	}
	role := world.Ordinary
	if admin {
		role = world.Administrator
	}
	return c.world.SetRole(chat, name, role)
}
