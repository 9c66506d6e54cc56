package world

// EnsureBot makes the bot with this username if there is none, and returns its
// token and id. One that exists stays as it is, but for its name. The token is
// the minted one, because the world keeps no tokens: it replaces one that the bot
// was registered with.
func (w *World) EnsureBot(username, name string) (string, int64, error) {
	next := NewBot{Username: username, Name: name}
	old, ok := w.Find(username)
	if ok && old.Bot {
		next.Privacy, next.BotToBot = old.Privacy, old.BotToBot
		if name == "" {
			next.Name = old.Name
		}
	}
	bot, token, err := w.RegisterBot(next)
	return token, bot.ID, err
}

// EnsureChat returns the id of the group with the id of n, or without one with its
// title and kind, and makes it if there is none. One that exists keeps its profile; members of n that never
// were in it are let in. A basic group that was upgraded is found by its former
// kind too, as the supergroup that it is now.
func (w *World) EnsureChat(n NewChat) (int64, error) {
	if n.Kind == "" {
		n.Kind = Supergroup
	}
	id := n.ID
	if id == 0 {
		id = w.chatByTitle(n.Kind, n.Title)
	}
	known, _, ok := w.Chat(id)
	if !ok {
		made, err := w.PutChat(n)
		return made.ID, err
	}
	if known.MigratedTo != 0 {
		id = known.MigratedTo
	}
	for _, who := range n.Admins {
		if err := w.EnsureMember(id, who, Administrator); err != nil {
			return id, err
		}
	}
	for _, who := range n.Members {
		if err := w.EnsureMember(id, who, Ordinary); err != nil {
			return id, err
		}
	}
	return id, nil
}

// EnsureMember lets someone into a group, with a role, who never was in it.
// Whoever left, was kicked or has another role keeps that: it is what happened
// in the chat since.
func (w *World) EnsureMember(chatID int64, who string, role Role) error {
	w.mu.Lock()
	if c, a := w.state.Chats[chatID], w.find(who); c != nil && a != nil && c.Members[a.ID] != "" {
		w.mu.Unlock()
		return nil
	}
	w.mu.Unlock()
	return w.SetRole(chatID, who, role)
}

// chatByTitle returns the id of a group, or 0.
func (w *World) chatByTitle(kind, title string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range sortedKeys(w.state.Chats) {
		c := w.state.Chats[id]
		if c.Title != title || c.Kind != kind {
			continue
		}
		if c.MigratedTo != 0 {
			return c.MigratedTo
		}
		return id
	}
	return 0
}
