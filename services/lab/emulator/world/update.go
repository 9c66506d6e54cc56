package world

import (
	"slices"
	"time"
)

// The kinds of update that the emulator makes.
const (
	KindMessage    = "message"
	KindEdited     = "edited_message"
	KindReaction   = "message_reaction"
	KindMyMember   = "my_chat_member"
	KindMember     = "chat_member"
	KindCallback   = "callback_query"
	updateLifetime = 24 * time.Hour
)

// Update is something a bot is told.
type Update struct {
	ID      int64     `json:"id"`
	Kind    string    `json:"kind"`
	At      time.Time `json:"at"`
	Chat    int64     `json:"chat"`
	MsgID   int64     `json:"msg,omitempty"` // what the bot calls the message
	Message *Message  `json:"m,omitempty"`   // as it was then

	By       int64  `json:"by,omitempty"`     // who acted
	Member   int64  `json:"member,omitempty"` // whose role changed
	OldRole  Role   `json:"old_role,omitempty"`
	NewRole  Role   `json:"new_role,omitempty"`
	OldEmoji string `json:"old_emoji,omitempty"`
	NewEmoji string `json:"new_emoji,omitempty"`
	Query    string `json:"query,omitempty"`
	Data     string `json:"data,omitempty"`
}

// Event is an Update with everything that its ids stand for.
type Event struct {
	Update

	In      Chat
	Post    *Post
	Actor   Account
	Subject Account
}

// wants reports whether a bot gets updates of a kind.
func (a *account) wants(kind string) bool {
	if len(a.Allowed) > 0 {
		return slices.Contains(a.Allowed, kind)
	}
	return kind != KindMember && kind != KindReaction && kind != "message_reaction_count"
}

// tell makes the event that queues an update, unless the bot doesn't want it.
// At most one update for a bot may be made per commit.
func (w *World) tell(bot *account, u Update, ref int64) []event {
	if !bot.wants(u.Kind) {
		return nil
	}
	u.ID = bot.NextUpdate
	u.At = w.cfg.Now().UTC()
	return []event{{Queue: &queued{Bot: bot.ID, Update: u, Ref: ref}}}
}

// Updates confirms the updates before offset and returns up to limit of the
// rest, oldest first. A negative offset forgets all but that many of the
// latest.
func (w *World) Updates(botID, offset int64, limit int) ([]Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot, err := w.bot(botID)
	if err != nil {
		return nil, err
	}
	if offset < 0 && len(bot.Queue) > 0 {
		offset = bot.Queue[max(0, int64(len(bot.Queue))+offset)].ID
	}
	if err := w.confirm(bot, offset); err != nil {
		return nil, err
	}
	var events []Event
	for _, u := range bot.Queue {
		if len(events) == limit {
			break
		}
		if w.cfg.Now().Sub(u.At) < updateLifetime {
			events = append(events, w.resolve(bot, u))
		}
	}
	return events, nil
}

// Confirm forgets a bot's updates before offset.
func (w *World) Confirm(botID, offset int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot, err := w.bot(botID)
	if err != nil {
		return err
	}
	return w.confirm(bot, offset)
}

func (w *World) confirm(bot *account, offset int64) error {
	if len(bot.Queue) == 0 || bot.Queue[0].ID >= offset {
		return nil
	}
	return w.commit(nil, event{Confirm: &confirm{Bot: bot.ID, Below: offset}})
}

// Pending returns the number of updates that wait for a bot.
func (w *World) Pending(botID int64) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bot := w.state.Accounts[botID]; bot != nil {
		return len(bot.Queue)
	}
	return 0
}

// Wake returns a channel that is closed at the next change of the bot's
// updates or webhook. Take it before looking for updates.
func (w *World) Wake(botID int64) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bot := w.state.Accounts[botID]; bot != nil && bot.Bot {
		return bot.wake
	}
	gone := make(chan struct{})
	close(gone)
	return gone
}

// Allow sets which kinds of update the bot gets from now on; none means
// Telegram's default.
func (w *World) Allow(botID int64, kinds []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot, err := w.bot(botID)
	if err != nil || slices.Equal(bot.Allowed, kinds) {
		return err
	}
	return w.commit(nil, event{Allowed: &allowed{Bot: botID, Kinds: kinds}})
}

func (w *World) resolve(bot *account, u Update) Event {
	e := Event{Update: u, Actor: w.profile(u.By), Subject: w.profile(u.Member)}
	c := w.state.Chats[u.Chat]
	if c == nil {
		return e
	}
	e.In = c.Chat
	if u.Message != nil {
		shown := w.view(c, bot, u.Message, u.MsgID)
		e.Post = &shown
	}
	return e
}

func (w *World) wakeBot(id int64) {
	if bot := w.state.Accounts[id]; bot != nil && bot.Bot {
		close(bot.wake)
		bot.wake = make(chan struct{})
	}
}
