// Package reaction knows the emoji that Telegram takes as reactions, what they
// express, and which one comes nearest where a chat doesn't allow another. It
// is pure data: no I/O, no clock, no randomness of its own.
package reaction

import "strings"

// all is the list of the Bot API 10.1 (ReactionTypeEmoji) in its order and its
// exact bytes: none carries the variation selector U+FE0F, which language
// models and many libraries put after ❤, ⚡, ☃, ✍, 🕊 and ♂.
const all = "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 " +
	"🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡"

// All returns the 73 emoji in Telegram's order. The slice is the caller's.
func All() []string { return strings.Fields(all) }

// Valid tells whether Telegram takes exactly these bytes as a reaction, if the
// chat allows it.
func Valid(emoji string) bool { return listed(all, emoji) }

// Normalize takes away what Telegram refuses in a reaction though it changes
// little or nothing of the picture: variation selectors, skin tones and space
// around it. Whether the rest is a reaction says Valid.
func Normalize(emoji string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\uFE0E', r == '\uFE0F': // text and emoji presentation
			return -1
		case r >= '\U0001F3FB' && r <= '\U0001F3FF': // Fitzpatrick modifiers
			return -1
		}
		return r
	}, emoji))
}

// listed looks an emoji up in a list separated by spaces.
func listed(list, emoji string) bool {
	for e := range strings.FieldsSeq(list) {
		if e == emoji {
			return true
		}
	}
	return false
}
