package world

import (
	"slices"
	"strings"
)

// reactions are the emoji Telegram takes as reactions, in its exact forms:
// without the variation selector U+FE0F.
const reactions = "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 " +
	"🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 " +
	"🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡"

// Reactions returns the 73 emoji that Telegram takes as reactions.
func Reactions() []string { return strings.Fields(reactions) }

// IsReaction tells whether Telegram takes exactly these bytes as a reaction.
func IsReaction(emoji string) bool {
	return slices.Contains(Reactions(), emoji)
}
