package world

import (
	"encoding/json"
	"errors"
	"slices"
)

// errReference reports an event about an object that doesn't exist.
var errReference = errors.New("refers to an account, chat or message that is not in the state")

// apply applies an entry to the state. The result depends on the state and the entry only.
func (w *World) apply(e entry) error {
	for _, ev := range e.Events {
		if !w.applyEvent(e, ev) {
			return errReference
		}
	}
	w.state.Seq = e.Seq
	if e.Cause != nil {
		w.remember(e)
	}
	return nil
}

func (w *World) applyEvent(e entry, ev event) bool {
	switch {
	case ev.Account != nil:
		return w.applyAccount(ev.Account)
	case ev.Chat != nil:
		return w.applyChat(*ev.Chat)
	case ev.Member != nil:
		return w.applyMember(*ev.Member)
	case ev.Message != nil:
		return w.applyMessage(ev.Message)
	case ev.Edit != nil:
		return w.applyEdit(e, ev.Edit)
	case ev.Delete != nil:
		return w.applyDelete(*ev.Delete)
	case ev.React != nil:
		return w.applyReaction(*ev.React)
	case ev.Queue != nil:
		return w.applyQueue(*ev.Queue)
	case ev.Confirm != nil:
		return w.applyConfirm(*ev.Confirm)
	case ev.Webhook != nil:
		return w.applyWebhook(*ev.Webhook)
	case ev.Allowed != nil:
		return w.applyAllowed(*ev.Allowed)
	case ev.Commands != nil:
		return w.applyCommands(*ev.Commands)
	default:
		return true // an event of a later version
	}
}

func (w *World) applyAccount(a *account) bool {
	if old := w.state.Accounts[a.ID]; old != nil {
		next := *old // keeps counters, updates and message ids
		next.Account, next.TokenHash = a.Account, a.TokenHash
		a = &next
	}
	w.index(a)
	return true
}

func (w *World) applyChat(profile Chat) bool {
	if c := w.state.Chats[profile.ID]; c != nil {
		c.Chat = profile
		return true
	}
	w.state.Chats[profile.ID] = &chat{Chat: profile, Members: map[int64]Role{}, First: 1}
	return true
}

func (w *World) applyMember(j joined) bool {
	c := w.state.Chats[j.Chat]
	if c == nil || w.state.Accounts[j.Account] == nil {
		return false
	}
	c.Members[j.Account] = j.Role
	return true
}

func (w *World) applyMessage(s *said) bool {
	c := w.state.Chats[s.Chat]
	if c == nil || s.Message.Seq != c.next() {
		return false
	}
	p := &post{Message: s.Message, IDs: s.IDs}
	c.Posts = append(c.Posts, p)
	w.indexPost(c, p)
	for _, known := range s.IDs {
		if bot := w.state.Accounts[known.Bot]; bot != nil {
			bot.NextBox = max(bot.NextBox, known.ID+1)
		}
	}
	for len(c.Posts) > w.cfg.MaxMessages {
		w.forget(c.Posts[0])
		c.Posts[0] = nil
		c.Posts = c.Posts[1:]
		c.First++
	}
	return true
}

// forget makes a message unknown to the bots that knew it.
func (w *World) forget(p *post) {
	if p == nil {
		return
	}
	for _, known := range p.IDs {
		if bot := w.state.Accounts[known.Bot]; bot != nil {
			delete(bot.box, known.ID)
		}
	}
}

func (w *World) postOf(chatID, seq int64) *post {
	if c := w.state.Chats[chatID]; c != nil {
		return c.at(seq)
	}
	return nil
}

func (w *World) applyEdit(e entry, ed *edited) bool {
	p := w.postOf(ed.Chat, ed.Seq)
	if p == nil {
		return false
	}
	next := *p.Message
	next.Text, next.Entities, next.Markup, next.EditedAt = ed.Text, ed.Entities, ed.Markup, e.At
	p.Message = &next
	return true
}

func (w *World) applyDelete(d deleted) bool {
	c := w.state.Chats[d.Chat]
	if c == nil || c.at(d.Seq) == nil {
		return false
	}
	w.forget(c.at(d.Seq))
	c.Posts[d.Seq-c.First] = nil
	return true
}

func (w *World) applyReaction(r reacted) bool {
	p := w.postOf(r.Chat, r.Seq)
	if p == nil {
		return false
	}
	p.Reactions = slices.DeleteFunc(p.Reactions, func(old reaction) bool { return old.By == r.By })
	if r.Emoji != "" {
		p.Reactions = append(p.Reactions, reaction{By: r.By, Emoji: r.Emoji})
	}
	return true
}

func (w *World) applyQueue(q queued) bool {
	bot := w.state.Accounts[q.Bot]
	if bot == nil {
		return false
	}
	if q.Ref != 0 {
		p := w.postOf(q.Update.Chat, q.Ref)
		if p == nil {
			return false
		}
		q.Update.Message = p.Message
	}
	bot.Queue = append(bot.Queue, q.Update)
	bot.NextUpdate = max(bot.NextUpdate, q.Update.ID+1)
	if q.Update.Query != "" {
		bot.asked(query{q.Update.Query, q.Update.At})
	}
	if over := len(bot.Queue) - w.cfg.MaxUpdates; over > 0 {
		bot.Queue = slices.Delete(bot.Queue, 0, over)
	}
	return true
}

func (w *World) applyConfirm(c confirm) bool {
	bot := w.state.Accounts[c.Bot]
	if bot == nil {
		return false
	}
	bot.Queue = slices.DeleteFunc(bot.Queue, func(u Update) bool { return u.ID < c.Below })
	return true
}

func (w *World) applyWebhook(h hooked) bool {
	bot := w.state.Accounts[h.Bot]
	if bot == nil {
		return false
	}
	bot.Webhook = h.Webhook
	if h.Drop {
		bot.Queue = nil
	}
	return true
}

func (w *World) applyAllowed(a allowed) bool {
	bot := w.state.Accounts[a.Bot]
	if bot == nil {
		return false
	}
	bot.Allowed = a.Kinds
	return true
}

func (w *World) applyCommands(c commands) bool {
	bot := w.state.Accounts[c.Bot]
	if bot == nil {
		return false
	}
	if bot.Commands == nil {
		bot.Commands = map[string]json.RawMessage{}
	}
	bot.Commands[c.Scope] = c.List
	if c.List == nil {
		delete(bot.Commands, c.Scope)
	}
	return true
}

// remember keeps the effect of a call for the log of calls.
func (w *World) remember(e entry) {
	effect := Effect{Cause: *e.Cause, At: e.At}
	bot := w.state.Accounts[e.Cause.Bot]
	for _, ev := range e.Events {
		var chat, seq int64
		switch {
		case ev.Message != nil:
			chat, seq = ev.Message.Chat, ev.Message.Message.Seq
			effect.Text = ev.Message.Message.Text
		case ev.Edit != nil:
			chat, seq = ev.Edit.Chat, ev.Edit.Seq
		case ev.React != nil:
			chat, seq = ev.React.Chat, ev.React.Seq
		}
		if p := w.postOf(chat, seq); p != nil && bot != nil {
			effect.Message, _ = w.state.Chats[chat].idFor(bot, p)
		}
	}
	if len(w.effects) >= 2*maxEffects {
		w.effects = slices.Delete(w.effects, 0, maxEffects)
	}
	w.effects = append(w.effects, effect)
}
