package incoming

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// ID returns an update's id, even if the rest is invalid; 0 if there is none.
func ID(raw []byte) int64 {
	var u struct {
		ID int64 `json:"update_id"`
	}
	if err := json.Unmarshal(raw, &u); err != nil {
		return 0
	}
	return max(u.ID, 0)
}

// Parse parses an update. Its error describes what is invalid and contains nothing of what
// people wrote.
func Parse(raw []byte) (Update, error) {
	var w wireUpdate
	if err := json.Unmarshal(raw, &w); err != nil {
		return Update{}, explain(err)
	}
	if w.ID <= 0 {
		return Update{}, errors.New("update_id: is missing, want a number above 0")
	}
	u := Update{ID: w.ID, Kind: Other}
	var err error
	switch {
	case w.Message != nil:
		err = u.message(w.Message)
	case w.Edited != nil:
		err = u.edit(w.Edited)
	case w.Own != nil:
		err = u.change(w.Own)
	case w.Press != nil:
		err = u.press(w.Press)
	}
	return u, err
}

// explain replaces an error of the decoder by one without what people wrote.
func explain(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		value, _, _ := strings.Cut(wrong.Value, " ") // "number 1e99" contains the value
		return fmt.Errorf("%s: is a %s", cmp.Or(wrong.Field, "update"), value)
	}
	return errors.New("is no JSON")
}

// readChat reads the chat. It returns false outside of groups.
func (u *Update) readChat(c wireChat) (group bool, err error) {
	u.Chat = Chat{ID: c.ID, Supergroup: c.Type == "supergroup", Title: names.Title(c.Title, maxTitle)}
	switch c.Type {
	case "group", "supergroup":
	case "private", "channel":
		u.Kind = Private
		return false, nil
	default:
		return false, fmt.Errorf("chat.type: want private, group, supergroup or channel, got %d bytes", len(c.Type))
	}
	// Telegram numbers supergroups from -1000000000000 downwards.
	if c.ID >= 0 || u.Chat.Supergroup != (c.ID <= -1_000_000_000_000) {
		return false, fmt.Errorf("chat.id: %d can't be a %s's", c.ID, c.Type)
	}
	return true, nil
}

// readTime reads the time of the update.
func (u *Update) readTime(date int64) error {
	if date <= 0 || date > lastSecond {
		return fmt.Errorf("date: %d, want a time from 1970 to 9999", date)
	}
	u.At = time.Unix(date, 0).UTC()
	return nil
}

// lastSecond is the last second of the year 9999.
const lastSecond = 253_402_300_799

// maxQuery limits the id and the data of a press, in bytes.
const maxQuery = 64

// press reads a press of a button. A press below an inline message, which is in no chat, is
// ignored.
func (u *Update) press(p *wirePress) error {
	if p.Message == nil {
		return nil
	}
	if p.From == nil || p.From.ID <= 0 {
		return errors.New("from.id: is missing, want a number above 0")
	}
	if p.ID == "" || len(p.ID) > maxQuery || clean(p.ID, maxQuery) != p.ID {
		return fmt.Errorf("id: has %d bytes, want a text of 1 to %d", len(p.ID), maxQuery)
	}
	u.Kind, u.Query, u.From, u.Chat.ID = Pressed, p.ID, person(p.From), p.Message.Chat.ID
	if len(p.Data) <= maxQuery {
		u.Text = clean(p.Data, maxQuery)
	}
	return nil
}

func (u *Update) message(m *wireMessage) error {
	group, err := u.readChat(m.Chat)
	started := m.Chat.Type == "private" && (m.Text == "/start" || strings.HasPrefix(m.Text, "/start "))
	if err != nil || !group && (m.Chat.Type != "private" || m.ReplyTo == nil && !started) {
		return err
	}
	if err := u.readTime(m.Date); err != nil {
		return err
	}
	u.From = author(m)
	switch {
	case !group && m.Chat.ID <= 0:
		return fmt.Errorf("chat.id: %d can't be a person's", m.Chat.ID)
	case started:
		u.Kind, u.Role = Own, Role{Status: "member", Present: true, Speaks: true}
		return nil
	case !group:
		return u.content(PrivateReply, m)
	case m.MovedTo != 0 || m.MovedFrom != 0:
		u.Kind, u.MovedTo, u.MovedFrom = Moved, m.MovedTo, m.MovedFrom
		return u.moved()
	case m.NewTitle != "":
		u.Kind, u.Chat.Title = Title, names.Title(m.NewTitle, maxTitle)
		return nil
	}
	return u.content(Message, m)
}

// moved checks the ids of a chat that moved.
func (u *Update) moved() error {
	const supergroups = -1_000_000_000_000
	if u.MovedTo != 0 && (u.Chat.Supergroup || u.MovedTo > supergroups) {
		return fmt.Errorf("migrate_to_chat_id: %d, want a supergroup's, and of a basic group", u.MovedTo)
	}
	if u.MovedFrom != 0 && (!u.Chat.Supergroup || u.MovedFrom <= supergroups || u.MovedFrom >= 0) {
		return fmt.Errorf("migrate_from_chat_id: %d, want a basic group's, and of a supergroup", u.MovedFrom)
	}
	return nil
}

func (u *Update) edit(m *wireMessage) error {
	if group, err := u.readChat(m.Chat); !group || err != nil {
		return err
	}
	u.From = author(m)
	if err := u.readTime(cmp.Or(m.EditDate, m.Date)); err != nil {
		return err
	}
	return u.content(Edit, m)
}

// content reads a person's message. A message with neither a text nor a known content is a
// service message, of which there are many kinds.
func (u *Update) content(kind Kind, m *wireMessage) error {
	text, entities := m.Text, m.Entities
	if text == "" {
		text, entities = m.Caption, m.CaptionEntities
	}
	u.Text = clean(text, maxText)
	if what := m.kind(); u.Text == "" && (what != "" || text != "") {
		u.Text = "[" + cmp.Or(what, "message") + "]"
	}
	// A channel's posts in its discussion group are forwarded automatically and are no
	// talk.
	if u.Text == "" || u.From.ID == 0 || m.Forwarded {
		return nil
	}
	if m.ID <= 0 {
		return fmt.Errorf("message_id: %d, want a number above 0", m.ID)
	}
	u.Kind, u.MessageID = kind, m.ID
	if m.ReplyTo != nil && m.ReplyTo.ID > 0 {
		u.ReplyTo = &Reply{MessageID: m.ReplyTo.ID, Text: clean(m.ReplyTo.Text, maxText), At: time.Unix(min(max(m.ReplyTo.Date, 0), lastSecond), 0).UTC()}
		u.ReplyTo.From = actor(m.ReplyTo.From, m.ReplyTo.SenderChat, m.Chat).ID
	}
	u.readEntities(text, entities)
	return nil
}

func (u *Update) change(c *wireChange) error {
	group, err := u.readChat(c.Chat)
	if err != nil || !group && c.Chat.Type != "private" {
		return err
	}
	if !group && c.Chat.ID <= 0 {
		return fmt.Errorf("chat.id: %d can't be a person's", c.Chat.ID)
	}
	if c.New.User == nil || c.New.User.ID <= 0 {
		return errors.New("new_chat_member.user.id: is missing, want a number above 0")
	}
	u.Kind, u.Role.Status = Own, c.New.Status
	switch c.New.Status {
	case "creator", "administrator", "member":
		u.Role.Present, u.Role.Speaks = true, true
	case "restricted":
		u.Role.Present, u.Role.Speaks = c.New.IsMember, c.New.IsMember && c.New.CanSend
	case "left", "kicked":
	default:
		return fmt.Errorf("new_chat_member.status: is unknown (%d bytes)", len(c.New.Status))
	}
	return u.readTime(c.Date)
}
