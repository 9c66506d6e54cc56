package world

import (
	"bytes"
	"slices"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// notModified is an error that clients treat as a success.
const notModified = "message is not modified: specified new message content and reply markup are " +
	"exactly the same as a current content and reply markup of the message"

// CheckEdit returns the error that Edit would return now.
func (w *World) CheckEdit(botID, chatID, messageID int64, s Saying) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _, _, err := w.editable(botID, chatID, messageID, &s)
	return err
}

// Edit changes the text and the buttons of a bot's own message.
func (w *World) Edit(cause Cause, botID, chatID, messageID int64, s Saying) (Post, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot, c, p, err := w.editable(botID, chatID, messageID, &s)
	if err != nil {
		return Post{}, err
	}
	change := &edited{Chat: c.ID, Seq: p.Message.Seq, Text: s.Text, Entities: s.Entities, Markup: s.Markup}
	if err := w.commit(&cause, event{Edit: change}); err != nil {
		return Post{}, err
	}
	return w.view(c, bot, p.Message, messageID), nil
}

// editable finds what is to be edited, and fills in what is to stay as it is.
func (w *World) editable(botID, chatID, messageID int64, s *Saying) (*account, *chat, *post, error) {
	bot, c, err := w.in(botID, chatID, toEdit)
	if err != nil {
		return nil, nil, nil, err
	}
	p := c.find(bot, messageID)
	switch {
	case p == nil:
		return nil, nil, nil, badRequest("message to edit not found")
	case p.Message.From != botID || p.Message.Service != nil:
		return nil, nil, nil, badRequest("message can't be edited")
	}
	if s.MarkupOnly {
		s.Content = p.Message.Content
	}
	if err := s.check(); err != nil {
		return nil, nil, nil, err
	}
	same := p.Message.Text == s.Text && slices.Equal(p.Message.Entities, s.Entities) && bytes.Equal(p.Message.Markup, s.Markup)
	if same {
		return nil, nil, nil, badRequest(notModified)
	}
	return bot, c, p, nil
}

// Delete removes a message: a bot's own, or any where it is an administrator.
func (w *World) Delete(cause Cause, botID, chatID, messageID int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot, c, err := w.in(botID, chatID, toEdit)
	if err != nil {
		return err
	}
	p := c.find(bot, messageID)
	if p == nil {
		return badRequest("message to delete not found")
	}
	if p.Message.From != botID && !c.Members[botID].admin() && c.Kind != Private {
		return badRequest("message can't be deleted")
	}
	return w.commit(&cause, event{Delete: &deleted{Chat: c.ID, Seq: p.Message.Seq}})
}

// EditAs changes the text of a person's message.
func (w *World) EditAs(chatID, seq int64, text string) (Post, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, p, err := w.personal(chatID, seq)
	if err != nil {
		return Post{}, err
	}
	if err := checkText(text); err != nil {
		return Post{}, invalid("text", names.Cut(text, maxShown), "1 to 4096 UTF-16 code units")
	}
	events := []event{{Edit: &edited{Chat: chatID, Seq: seq, Text: text}}}
	for _, id := range sortedKeys(c.Members) {
		bot := w.state.Accounts[id]
		known, ok := c.idFor(bot, p)
		if bot.Bot && ok && w.sees(c, bot, p.Message) {
			events = append(events, w.tell(bot, Update{Kind: KindEdited, Chat: chatID, MsgID: known, By: p.Message.From}, seq)...)
		}
	}
	if err := w.commit(nil, events...); err != nil {
		return Post{}, err
	}
	return w.show(c, p), nil
}

// DeleteAs removes any message, as an administrator among the people would.
func (w *World) DeleteAs(chatID, seq int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.groupOf(chatID)
	if err != nil {
		return err
	}
	if c.at(seq) == nil {
		return invalid("message_id", fmtInt(seq), "a message of the chat")
	}
	return w.commit(nil, event{Delete: &deleted{Chat: chatID, Seq: seq}})
}

func (w *World) personal(chatID, seq int64) (*chat, *post, error) {
	c, err := w.room(chatID)
	if err != nil {
		return nil, nil, err
	}
	p := c.at(seq)
	if p == nil || p.Message.Service != nil || w.profile(p.Message.From).Bot {
		return nil, nil, invalid("message_id", fmtInt(seq), "a message that a person wrote in the chat")
	}
	return c, p, nil
}
