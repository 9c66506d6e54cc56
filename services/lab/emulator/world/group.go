package world

import (
	"cmp"
	"reflect"
	"slices"
)

// NewChat describes a group to make or to change.
type NewChat struct {
	Chat

	// Members are usernames of bots and names of people.
	Members []string `json:"members,omitempty"`
	// Admins are the members who are administrators.
	Admins []string `json:"admins,omitempty"`
}

// PutChat makes a group, or changes the profile of the one with this id, and
// lets members in who aren't there. It never sends anybody away. Without a kind, a
// title or a note, one that exists keeps its own. A new title is told in the group,
// as Telegram does.
func (w *World) PutChat(n NewChat) (Chat, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.state.Chats[n.ID]
	if old != nil {
		n.Kind, n.Title, n.Note = cmp.Or(n.Kind, old.Kind), cmp.Or(n.Title, old.Title), cmp.Or(n.Note, old.Note)
	}
	n.Kind = cmp.Or(n.Kind, Supergroup)
	if n.ID == 0 {
		n.ID = w.mintChat(n.Kind, n.Title)
		old = w.state.Chats[n.ID]
	}
	if err := n.check(); err != nil {
		return Chat{}, err
	}
	var events []event
	n.MigratedTo, n.MigratedFrom = 0, 0
	if old != nil {
		n.MigratedTo, n.MigratedFrom = old.MigratedTo, old.MigratedFrom
	}
	if old == nil || !reflect.DeepEqual(old.Chat, n.Chat) {
		events = append(events, event{Chat: &n.Chat})
	}
	joins, err := w.admit(n, old)
	if err != nil {
		return Chat{}, err
	}
	if events = append(events, joins...); len(events) == 0 {
		return n.Chat, nil
	}
	renamed := old != nil && old.Title != n.Title
	if err := w.commit(nil, events...); err != nil || !renamed {
		return n.Chat, err
	}
	return n.Chat, w.note(old, w.someone(old), &Service{Title: n.Title})
}

// someone returns a person of a group, who acts there on the emulator's behalf.
func (w *World) someone(c *chat) int64 {
	for _, id := range sortedKeys(c.Members) {
		if !w.state.Accounts[id].Bot {
			return id
		}
	}
	return anonymousAdmin
}

// admit returns the events that give a group's members their roles.
func (w *World) admit(n NewChat, old *chat) ([]event, error) {
	var events []event
	seen := map[string]bool{}
	for i, who := range slices.Concat(n.Admins, n.Members) {
		role := Ordinary
		if i < len(n.Admins) {
			role = Administrator
		}
		a := w.find(who)
		if a == nil {
			next, births, err := w.person(who)
			if err != nil {
				return nil, invalid("members", who, "the username of a registered bot or the name of a person")
			}
			a = next
			if !seen[a.Name] {
				events = append(events, births...)
			}
		}
		name := a.Name
		if a.Bot {
			name = "@" + a.Username
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		var now Role
		if old != nil {
			now = old.Members[a.ID]
		}
		if now == role || (now.present() && role == Ordinary) {
			continue
		}
		events = append(events, event{Member: &joined{Chat: n.ID, Account: a.ID, Role: role}})
		if a.Bot {
			u := Update{Kind: KindMyMember, Chat: n.ID, By: a.ID, Member: a.ID, OldRole: orLeft(now), NewRole: role}
			events = append(events, w.tell(a, u, 0)...)
		}
	}
	return events, nil
}

func orLeft(r Role) Role {
	if r == "" {
		return Left
	}
	return r
}

// SetRole makes someone a member, an administrator, restricted, gone or
// kicked, and tells the bots concerned.
func (w *World) SetRole(chatID int64, who string, role Role) error {
	roles := []string{string(Creator), string(Administrator), string(Ordinary), string(Restricted), string(Left), string(Kicked)}
	if !slices.Contains(roles, string(role)) {
		return invalid("role", string(role), list(roles))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.room(chatID)
	if err != nil {
		return err
	}
	a := w.find(who)
	if err := c.checkPrivate(a, role); err != nil {
		return err
	}
	if a == nil {
		next, events, err := w.person(who)
		if err != nil {
			return invalid("who", who, "the username of a registered bot or the name of a person")
		}
		if err := w.commit(nil, events...); err != nil {
			return err
		}
		a = w.state.Accounts[next.ID]
	}
	return w.setRole(nil, c, a, role)
}

func (w *World) setRole(cause *Cause, c *chat, a *account, role Role) error {
	old := orLeft(c.Members[a.ID])
	if old == role {
		return nil
	}
	by := a.ID
	if c.Person != nil {
		by = c.Person.ID
	}
	events := []event{{Member: &joined{Chat: c.ID, Account: a.ID, Role: role}}}
	concerned := slices.Sorted(slices.Values(append(sortedKeys(c.Members), a.ID)))
	for _, id := range slices.Compact(concerned) {
		bot := w.state.Accounts[id]
		u := Update{Kind: KindMember, Chat: c.ID, By: by, Member: a.ID, OldRole: old, NewRole: role}
		if id == a.ID {
			u.Kind = KindMyMember
		}
		if bot.Bot && (id == a.ID || c.Members[id].admin()) {
			events = append(events, w.tell(bot, u, 0)...)
		}
	}
	if err := w.commit(cause, events...); err != nil {
		return err
	}
	if old.present() == role.present() || c.Kind == Private {
		return nil
	}
	return w.noteMove(c, a, role)
}

// noteMove says in the chat that someone came or went.
func (w *World) noteMove(c *chat, a *account, role Role) error {
	note := &Service{Left: a.ID}
	if role.present() {
		note = &Service{Joined: []int64{a.ID}}
	}
	return w.note(c, a.ID, note)
}

// note adds a service message.
func (w *World) note(c *chat, from int64, s *Service) error {
	m := &Message{Seq: c.next(), From: from, SentAt: w.cfg.Now().UTC(), Service: s}
	return w.commit(nil, w.said(c, m)...)
}

// Leave lets a bot leave a chat.
func (w *World) Leave(cause Cause, botID, chatID int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot, c, err := w.in(botID, chatID, toEdit)
	if err != nil {
		return err
	}
	if c.Kind == Private {
		return badRequest("chat member status can't be changed in private chats")
	}
	return w.setRole(&cause, c, bot, Left)
}

// Upgrade replaces a basic group by a supergroup with the same people, as
// Telegram does: the new chat counts its messages from 1, and the old one
// answers with the new id.
func (w *World) Upgrade(chatID int64) (Chat, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.room(chatID)
	if err != nil {
		return Chat{}, err
	}
	if c.Kind != Group {
		return Chat{}, invalid("chat", fmtInt(chatID), "a basic group")
	}
	next := c.Chat
	next.ID, next.Kind, next.MigratedFrom = w.heirOf(c), Supergroup, c.ID
	former := c.Chat
	former.MigratedTo = next.ID
	by := w.someone(c)
	events := []event{{Chat: &next}}
	for _, id := range sortedKeys(c.Members) {
		events = append(events, event{Member: &joined{Chat: next.ID, Account: id, Role: c.Members[id]}})
	}
	// The old group is closed only after it has said where the people went.
	if err := w.commit(nil, events...); err != nil {
		return Chat{}, err
	}
	if err := w.note(c, by, &Service{MigrateTo: next.ID}); err != nil {
		return Chat{}, err
	}
	if err := w.commit(nil, event{Chat: &former}); err != nil {
		return Chat{}, err
	}
	return next, w.note(w.state.Chats[next.ID], by, &Service{MigrateFrom: chatID})
}

// heirOf returns the id of the supergroup that replaces a basic group: the one of an upgrade that
// the death of the process interrupted, or a new one.
func (w *World) heirOf(c *chat) int64 {
	for _, id := range sortedKeys(w.state.Chats) {
		if w.state.Chats[id].MigratedFrom == c.ID {
			return id
		}
	}
	return w.mintChat(Supergroup, c.Title)
}
