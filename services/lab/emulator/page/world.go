package page

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

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
	if profile.Person != nil {
		chat.Person = profile.Person.Name
		chat.Blocked = slices.ContainsFunc(members, func(m world.Member) bool { return m.Role == world.Kicked })
	}
	for _, m := range members {
		if m.Role != world.Left && m.Role != world.Kicked || chat.Blocked {
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

// Revision is the number of the latest event.
func (c worldChats) Revision() uint64 { return c.world.Revision() }

// Watch follows the events after a revision until ctx ends.
func (c worldChats) Watch(ctx context.Context, after uint64) (Feed, bool) {
	changes, complete := c.world.WatchFrom(ctx, after)
	return feed(changes), complete
}

// feed is the changes of the world as the page wants them.
type feed <-chan world.Change

// Next waits for an event.
func (f feed) Next(ctx context.Context) (Event, error) {
	select {
	case change, open := <-f:
		if !open {
			return Event{}, io.EOF
		}
		return event(&change), nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

func event(c *world.Change) Event {
	e := Event{Revision: c.Revision, Chat: c.Chat}
	switch c.Kind {
	case "message":
		e.Kind = Said
	case "delete":
		e.Kind, e.MessageID = Deleted, c.Seq
	case "typing":
		e.Kind = Typing
	case "chat":
		e.Kind = Profile
		if c.Chat == 0 { // the world was emptied
			e.Kind = Reset
		}
	default: // edit, reaction
		e.Kind = Changed
	}
	if c.Post != nil {
		shown := message(c.Post)
		e.Message = &shown
	}
	if c.Account != nil {
		typing := member(*c.Account)
		e.Member = &typing
	}
	return e
}

// quoted is the number of characters of an answered message that are shown.
const quoted = 160

// message is a post as people see it.
func message(p *world.Post) Message {
	m := Message{
		ID: p.Seq, From: member(p.From), At: p.SentAt, Edited: !p.EditedAt.IsZero(),
		Text: p.Shown(), Entities: p.Entities, Buttons: buttons(p.Markup), Service: service(p),
	}
	if answered := p.ReplyTo; answered != nil {
		m.ReplyTo = &Quote{ID: answered.Seq, From: member(answered.From), Text: beginning(answered)}
	}
	for _, r := range p.Reactions {
		reaction := Reaction{Emoji: r.Emoji}
		for _, by := range r.By {
			reaction.By = append(reaction.By, member(by))
		}
		m.Reactions = append(m.Reactions, reaction)
	}
	return m
}

// buttons are the rows of an inline keyboard; other keyboards aren't under a message.
func buttons(markup json.RawMessage) [][]Button {
	var keyboard struct {
		Rows [][]struct {
			Text string `json:"text"`
			Data string `json:"callback_data"`
			URL  string `json:"url"`
		} `json:"inline_keyboard"`
	}
	if json.Unmarshal(markup, &keyboard) != nil { // there is none
		return nil
	}
	var rows [][]Button
	for _, row := range keyboard.Rows {
		shown := make([]Button, 0, len(row))
		for _, b := range row {
			shown = append(shown, Button{Text: b.Text, Data: b.Data, URL: b.URL})
		}
		rows = append(rows, shown)
	}
	return rows
}

func member(a world.Account) Member {
	return Member{ID: a.ID, Name: a.Name, Username: a.Username, Bot: a.Bot}
}

// beginning returns what a quote shows of a message.
func beginning(p *world.Post) string {
	if p.Service != nil {
		return service(p)
	}
	text := p.Shown()
	if runes := []rune(text); len(runes) > quoted {
		return strings.TrimSpace(string(runes[:quoted])) + "…"
	}
	return text
}

// service says in words what happened, where nobody said anything.
func service(p *world.Post) string {
	if p.Service == nil {
		return ""
	}
	names := make([]string, 0, len(p.Joined))
	for _, a := range p.Joined {
		names = append(names, a.Name)
	}
	switch {
	case len(names) > 0:
		return strings.Join(names, ", ") + " joined the group"
	case p.Left != nil:
		return p.Left.Name + " left the group"
	case p.Service.Title != "":
		return p.From.Name + " named the group “" + p.Service.Title + "”"
	case p.Service.MigrateTo != 0:
		return "The group was upgraded to a supergroup"
	case p.Service.MigrateFrom != 0:
		return "This supergroup was a basic group before"
	default:
		return "Something happened in the group"
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
