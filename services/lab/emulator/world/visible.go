package world

import (
	"strings"
	"unicode/utf16"
)

// sees tells whether a bot gets a message that is about to be said.
func (w *World) sees(c *chat, bot *account, m *Message) bool {
	if bot.ID == m.From {
		return true
	}
	role := c.Members[bot.ID]
	if !role.present() {
		return false
	}
	author := w.profile(m.From)
	everything := role.admin() || !bot.Privacy
	switch {
	case m.Service != nil:
		return true
	case !author.Bot:
		return everything || w.answers(c, bot, m) || mentions(m, bot.Username, "mention", "bot_command")
	case bot.BotToBot && everything:
		return true
	default:
		return (bot.BotToBot || author.BotToBot) && (w.answers(c, bot, m) || mentions(m, bot.Username, "bot_command"))
	}
}

// answers tells whether a message is a reply to one of the bot's own.
func (w *World) answers(c *chat, bot *account, m *Message) bool {
	answered := c.at(m.ReplyTo)
	return m.ReplyTo != 0 && answered != nil && answered.Message.From == bot.ID
}

// mentions tells whether an entity of one of the kinds ends in @username.
func mentions(m *Message, username string, kinds ...string) bool {
	units := utf16.Encode([]rune(m.Text))
	for _, e := range m.Entities {
		for _, kind := range kinds {
			if e.Type != kind || e.Offset+e.Length > len(units) {
				continue
			}
			part := string(utf16.Decode(units[e.Offset : e.Offset+e.Length]))
			if _, name, ok := strings.Cut(part, "@"); ok && strings.EqualFold(name, username) {
				return true
			}
		}
	}
	return false
}
