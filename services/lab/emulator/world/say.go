package world

import (
	"encoding/json"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
)

// maxShown is the part of a bad text that an error repeats, in characters.
const maxShown = 40

// Saying is a message to send.
type Saying struct {
	Content

	ReplyTo int64 // what the sender calls the message; 0: no reply
	// ReplyOptional sends the message plainly where the answered one is gone.
	ReplyOptional bool
	Thread        int64
	Markup        json.RawMessage
	// MarkupOnly leaves the content of an edited message as it is.
	MarkupOnly bool
}

// CheckSend returns the error that Send would return now.
func (w *World) CheckSend(botID, chatID int64, s Saying) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _, _, err := w.prepare(botID, chatID, s)
	return err
}

// Send lets a bot write. Errors are *Error with Telegram's words.
func (w *World) Send(cause Cause, botID, chatID int64, s Saying) (Post, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot, c, reply, err := w.prepare(botID, chatID, s)
	if err != nil {
		return Post{}, err
	}
	m := &Message{
		Seq: c.next(), From: bot.ID, SentAt: w.cfg.Now().UTC(), Thread: s.Thread,
		Content: s.Content, ReplyTo: reply, Markup: s.Markup,
	}
	if err := w.commit(&cause, w.said(c, m)...); err != nil {
		return Post{}, err
	}
	sent := c.at(m.Seq)
	id, _ := c.idFor(bot, sent)
	return w.view(c, bot, m, id), nil
}

// prepare finds what a message needs, or what is wrong with it, in the order
// in which Telegram does.
func (w *World) prepare(botID, chatID int64, s Saying) (*account, *chat, int64, error) {
	bot, c, err := w.in(botID, chatID, toWrite)
	if err == nil {
		err = c.permits(bot, s.Content)
	}
	if err != nil {
		return nil, nil, 0, err
	}
	if err := s.check(); err != nil {
		return nil, nil, 0, err
	}
	if err := c.checkThread(s.Thread); err != nil {
		return nil, nil, 0, err
	}
	if s.ReplyTo == 0 {
		return bot, c, 0, nil
	}
	if answered := c.find(bot, s.ReplyTo); answered != nil {
		return bot, c, answered.Message.Seq, nil
	}
	if s.ReplyOptional {
		return bot, c, 0, nil
	}
	return nil, nil, 0, badRequest("message to be replied not found")
}

// checkThread: General (1) must be written to without a thread id, and only
// forums have other threads.
func (c *chat) checkThread(thread int64) error {
	if thread == 0 {
		return nil
	}
	topic, ok := c.Topics[thread]
	if !ok {
		return badRequest("message thread not found")
	}
	if topic.Closed {
		return badRequest("TOPIC_CLOSED")
	}
	return nil
}

// said makes the events of a new message: itself, and the updates about it.
func (w *World) said(c *chat, m *Message) []event {
	s := &said{Chat: c.ID, Message: m}
	events := []event{{Message: s}}
	for _, id := range sortedKeys(c.Members) {
		bot := w.state.Accounts[id]
		if !bot.Bot || !w.sees(c, bot, m) {
			continue
		}
		known := m.Seq
		if c.Kind != Supergroup {
			known = bot.NextBox
			s.IDs = append(s.IDs, boxID{Bot: id, ID: known})
		}
		if id != m.From {
			events = append(events, w.tell(bot, Update{Kind: KindMessage, Chat: c.ID, MsgID: known, By: m.From}, m.Seq)...)
		}
	}
	return events
}

// Say lets a person write, who becomes a member and an account where needed.
// replyTo is the chat's own number of a message. Wrong input is an *InputError.
func (w *World) Say(chatID int64, name, text string, replyTo int64) (Post, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.room(chatID)
	if err != nil {
		return Post{}, err
	}
	text = strings.TrimSpace(text)
	if err := c.checkSay(text, replyTo); err != nil {
		return Post{}, err
	}
	author, err := w.enter(c, name)
	if err != nil {
		return Post{}, err
	}
	return w.say(c, author, text, replyTo)
}

// checkSay returns an error for a text that a person can't write.
func (c *chat) checkSay(text string, replyTo int64) error {
	if err := checkText(text); err != nil {
		return invalid("text", names.Cut(text, maxShown), "1 to 4096 UTF-16 code units")
	}
	if replyTo != 0 && c.at(replyTo) == nil {
		return invalid("reply_to", fmtInt(replyTo), "a message of the chat")
	}
	return nil
}

// say lets a member of the chat write what was checked.
func (w *World) say(c *chat, author *account, text string, replyTo int64) (Post, error) {
	parsed, err := markup.Parse(text, "")
	if err != nil {
		return Post{}, err
	}
	m := &Message{
		Seq: c.next(), From: author.ID, SentAt: w.cfg.Now().UTC(),
		Content: Content{Text: parsed.Plain, Entities: parsed.Entities}, ReplyTo: replyTo,
	}
	if err := w.commit(nil, w.said(c, m)...); err != nil {
		return Post{}, err
	}
	return w.show(c, c.at(m.Seq)), nil
}

// enter returns the person with this name as a member of the chat.
func (w *World) enter(c *chat, name string) (*account, error) {
	author, events, err := w.person(name)
	if err != nil {
		return nil, err
	}
	if c.Person != nil && c.Person.ID != author.ID {
		return nil, invalid("name", name, c.Person.Name+", whose private chat it is")
	}
	if role := c.Members[author.ID]; role == Kicked {
		return nil, invalid("name", name, "someone who was not kicked from the chat")
	} else if !role.present() {
		events = append(events, event{Member: &joined{Chat: c.ID, Account: author.ID, Role: Ordinary}})
	}
	if len(events) > 0 {
		if err := w.commit(nil, events...); err != nil {
			return nil, err
		}
	}
	return w.state.Accounts[author.ID], nil
}

// IDs returns what each bot that knows a message calls it, by bot id. In a
// supergroup that is the same for all members.
func (w *World) IDs(chatID, seq int64) map[int64]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := map[int64]int64{}
	p := w.postOf(chatID, seq)
	if p == nil {
		return ids
	}
	c := w.state.Chats[chatID]
	for id, role := range c.Members {
		bot := w.state.Accounts[id]
		if !bot.Bot || !role.present() {
			continue
		}
		if known, ok := c.idFor(bot, p); ok {
			ids[id] = known
		}
	}
	return ids
}
