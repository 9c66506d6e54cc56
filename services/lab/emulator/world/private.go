package world

import "strings"

// Private is a chat of one person with one bot. On Telegram the bot calls it by the person's
// id; here it has an id of its own besides, as a person may have many such chats.
const Private = "private"

const firstPrivate = 1_000_000_000_000_000 // ids of private chats lie above this, as far as a browser counts

func (w *World) privateID(person, bot int64) int64 {
	return firstPrivate + int64(w.hash("private", fmtInt(person), fmtInt(bot))%firstPrivate)
}

// Start opens the private chat of a person with a bot, and writes /start in it. After it the
// bot may write there. It also ends a block of the bot.
func (w *World) Start(name, username string) (Chat, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot := w.byUsername(strings.TrimPrefix(username, "@"))
	if bot == nil || !bot.Bot {
		return Chat{}, invalid("bot", username, "the username of a registered bot")
	}
	person, events, err := w.person(name)
	if err != nil {
		return Chat{}, err
	}
	id := w.privateID(person.ID, bot.ID)
	if w.state.Chats[id] == nil {
		events = append(events, event{Chat: &Chat{ID: id, Kind: Private, Title: bot.Name, Person: &person.Account}})
		for _, member := range []int64{person.ID, bot.ID} {
			events = append(events, event{Member: &joined{Chat: id, Account: member, Role: Ordinary}})
		}
	}
	if len(events) > 0 {
		if err := w.commit(nil, events...); err != nil {
			return Chat{}, err
		}
	}
	c := w.state.Chats[id]
	if err := w.setRole(nil, c, bot, Ordinary); err != nil {
		return Chat{}, err
	}
	_, err = w.say(c, w.state.Accounts[person.ID], "/start", 0)
	return c.Chat, err
}

// reachPerson is reach for a private chat, by the person's id.
func (w *World) reachPerson(bot *account, id int64, want access) (*chat, error) {
	person, c := w.state.Accounts[id], w.state.Chats[w.privateID(id, bot.ID)]
	switch {
	case person == nil, c == nil && !person.Bot && !w.met(bot.ID, id):
		return nil, badRequest("chat not found")
	case person.Bot:
		return nil, forbidden("the bot can't send messages to the bot")
	case c == nil && want == toWrite:
		return nil, forbidden("bot can't initiate conversation with a user")
	case c == nil: // it may look, and finds nothing
		return &chat{Chat: Chat{Kind: Private, Person: &person.Account}}, nil
	case want == toWrite && !c.Members[bot.ID].present():
		return nil, forbidden("bot was blocked by the user")
	}
	return c, nil
}

// met reports whether a bot knows a person from a group.
func (w *World) met(bot, person int64) bool {
	for _, c := range w.state.Chats {
		if c.Members[bot] != "" && c.Members[person] != "" {
			return true
		}
	}
	return false
}

// checkPrivate returns an error for a role that a private chat doesn't have: there a bot can
// only be blocked.
func (c *chat) checkPrivate(a *account, role Role) error {
	switch {
	case c.Kind != Private:
		return nil
	case a == nil || !a.Bot || c.Members[a.ID] == "":
		return invalid("who", "", "the bot of the private chat")
	case role != Ordinary && role != Kicked:
		return invalid("role", string(role), list([]string{string(Ordinary), string(Kicked)})+" in a private chat")
	}
	return nil
}
