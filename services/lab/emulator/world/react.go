package world

import (
	"slices"
	"strings"
)

// MaxReactionKinds limits the different emoji on one message.
const MaxReactionKinds = 11

// CheckReact returns the error that React would return now.
func (w *World) CheckReact(botID, chatID, messageID int64, emoji string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _, _, err := w.reactable(botID, chatID, messageID, emoji)
	return err
}

// React sets a bot's reaction to a message in place of its former one; "" takes
// it away. It reports whether that changed anything: setting what is set
// already is a success on Telegram.
func (w *World) React(cause Cause, botID, chatID, messageID int64, emoji string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bot, c, p, err := w.reactable(botID, chatID, messageID, emoji)
	if err != nil {
		return false, err
	}
	if p.reactionOf(bot.ID) == emoji {
		return false, nil
	}
	return true, w.commit(&cause, event{React: &reacted{Chat: c.ID, Seq: p.Message.Seq, By: bot.ID, Emoji: emoji}})
}

// reactable finds the message, or what is wrong. Reacting needs no right to
// write, so an upgraded group has its messages no more, but no redirect either.
func (w *World) reactable(botID, chatID, messageID int64, emoji string) (*account, *chat, *post, error) {
	bot, c, err := w.in(botID, chatID, toEdit)
	if err != nil {
		return nil, nil, nil, err
	}
	p := c.find(bot, messageID)
	if p == nil || c.MigratedTo != 0 {
		return nil, nil, nil, badRequest("message to react not found")
	}
	if p.Message.Service != nil {
		return nil, nil, nil, badRequest("MESSAGE_ID_INVALID")
	}
	return bot, c, p, c.checkReaction(p, bot.ID, emoji)
}

func (c *chat) checkReaction(p *post, by int64, emoji string) error {
	if emoji == "" {
		return nil
	}
	if !c.allows(emoji) {
		return badRequest("REACTION_INVALID")
	}
	kinds := []string{emoji}
	for _, r := range p.Reactions {
		if r.By != by && !slices.Contains(kinds, r.Emoji) {
			kinds = append(kinds, r.Emoji)
		}
	}
	if len(kinds) > MaxReactionKinds {
		return badRequest("REACTIONS_TOO_MANY")
	}
	return nil
}

func (p *post) reactionOf(id int64) string {
	for _, r := range p.Reactions {
		if r.By == id {
			return r.Emoji
		}
	}
	return ""
}

// ReactAs sets a person's reaction; "" takes it away. seq is the chat's own
// number of the message.
func (w *World) ReactAs(chatID, seq int64, name, emoji string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, err := w.room(chatID)
	if err != nil {
		return err
	}
	p := c.at(seq)
	if p == nil || p.Message.Service != nil {
		return invalid("message_id", fmtInt(seq), "a message of the chat")
	}
	author, err := w.enter(c, name)
	if err != nil {
		return err
	}
	if err := c.checkReaction(p, author.ID, emoji); err != nil {
		return invalid("emoji", emoji, "a reaction that the chat allows")
	}
	old := p.reactionOf(author.ID)
	if old == emoji {
		return nil
	}
	events := []event{{React: &reacted{Chat: chatID, Seq: seq, By: author.ID, Emoji: emoji}}}
	events = append(events, w.tellReaction(c, p, author, old, emoji)...)
	return w.commit(nil, events...)
}

// tellReaction tells the bots that are administrators and asked for it.
// Reactions of bots are told to nobody.
func (w *World) tellReaction(c *chat, p *post, author *account, old, emoji string) []event {
	var events []event
	for _, id := range sortedKeys(c.Members) {
		bot := w.state.Accounts[id]
		known, ok := c.idFor(bot, p)
		if bot.Bot && ok && c.Members[id].admin() {
			u := Update{Kind: KindReaction, Chat: c.ID, MsgID: known, By: author.ID, OldEmoji: old, NewEmoji: emoji}
			events = append(events, w.tell(bot, u, 0)...)
		}
	}
	return events
}

// reactions are the emoji Telegram takes as reactions, in its exact forms:
// without the variation selector U+FE0F.
const reactions = "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 " +
	"🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 " +
	"🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡"

// Reactions returns the 73 emoji that Telegram takes as reactions.
func Reactions() []string { return strings.Fields(reactions) }

// IsReaction reports whether Telegram accepts exactly these bytes as a reaction.
func IsReaction(emoji string) bool {
	return slices.Contains(Reactions(), emoji)
}
