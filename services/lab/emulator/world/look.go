package world

// Chats returns all groups and private chats, by id.
func (w *World) Chats() []Chat {
	w.mu.Lock()
	defer w.mu.Unlock()
	chats := make([]Chat, 0, len(w.state.Chats))
	for _, id := range sortedKeys(w.state.Chats) {
		chats = append(chats, w.state.Chats[id].Chat)
	}
	return chats
}

// Chat returns a group with everyone who is or was in it.
func (w *World) Chat(id int64) (Chat, []Member, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.state.Chats[id]
	if c == nil {
		return Chat{}, nil, false
	}
	return c.Chat, w.members(c), true
}

func (w *World) members(c *chat) []Member {
	members := make([]Member, 0, len(c.Members))
	for _, id := range sortedKeys(c.Members) {
		members = append(members, Member{Account: w.profile(id), Role: c.Members[id]})
	}
	return members
}

// ChatFor returns a group to a bot that may see it.
func (w *World) ChatFor(botID, chatID int64) (Chat, []Member, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, c, err := w.in(botID, chatID, toRead)
	if err != nil {
		return Chat{}, nil, err
	}
	return c.Chat, w.members(c), nil
}

// History returns up to limit messages before a number, the latest of them,
// oldest first; before 0 means the newest.
func (w *World) History(chatID, before int64, limit int) ([]Post, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.groupOf(chatID)
	if err != nil {
		return nil, err
	}
	if before <= 0 || before > c.next() {
		before = c.next()
	}
	from := before
	for found := 0; from > c.First && found < limit; {
		from--
		if c.at(from) != nil {
			found++
		}
	}
	var posts []Post
	for seq := from; seq < before; seq++ {
		if p := c.at(seq); p != nil {
			posts = append(posts, w.show(c, p))
		}
	}
	return posts, nil
}

// Typing shows that a bot is about to write. It is not stored.
func (w *World) Typing(botID, chatID, thread int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot, c, err := w.in(botID, chatID, toWrite)
	if err == nil {
		err = c.permits(bot, Content{})
	}
	if err != nil {
		return err
	}
	// Unlike a message, an action may name the General topic.
	if thread != 0 && thread != 1 {
		if err := c.checkThread(thread); err != nil {
			return err
		}
	}
	w.publish(Change{Kind: "typing", Chat: c.ID, Account: &bot.Account})
	return nil
}
