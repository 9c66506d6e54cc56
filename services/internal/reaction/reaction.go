// Package reaction lists the emoji that Telegram accepts as reactions and their moods, and finds
// the nearest one that a chat allows. It is pure data: no I/O, no clock, no randomness of its own.
package reaction

import (
	"slices"
	"strings"
)

// all is the list of Bot API 10.1 (ReactionTypeEmoji) in its order and with its exact bytes: none
// has the variation selector U+FE0F, which language models and many libraries put after ❤, ⚡, ☃, ✍,
// 🕊 and ♂.
const all = "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 " +
	"🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡"

// All returns the 73 emoji in Telegram's order. The caller may change the slice.
func All() []string { return strings.Fields(all) }

// Valid reports whether Telegram accepts exactly these bytes as a reaction, if the chat allows it.
func Valid(emoji string) bool { return listed(all, emoji) }

// Normalize removes what Telegram refuses in a reaction although it hardly changes the picture:
// variation selectors, skin tones and spaces around it. The result need not be Valid.
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

// listed reports whether an emoji is in a list separated by spaces.
func listed(list, emoji string) bool {
	for e := range strings.FieldsSeq(list) {
		if e == emoji {
			return true
		}
	}
	return false
}

// Nearest returns the reaction nearest to an emoji in a chat that allows these reactions (nil: all
// 73; empty: none): the emoji itself, else one of the same mood, else one of a near mood. It
// returns false if none suits, because no reaction is better than a wrong tone. Any result is
// Valid.
func Nearest(emoji string, allowed []string) (string, bool) {
	emoji = Normalize(emoji)
	if Valid(emoji) && permits(allowed, emoji) {
		return emoji, true
	}
	mood := MoodOf(emoji)
	for _, m := range append([]Mood{mood}, mood.row().near...) {
		if fit := m.allowed(allowed); len(fit) > 0 {
			return fit[0], true
		}
	}
	return "", false
}

// Of returns a reaction that expresses a mood in a chat that allows these reactions (nil: all 73;
// empty: none). If there are several, pick chooses: it gets their number and returns an index below
// it; nil takes the most usual one. Of returns false if none suits. Any result is Valid.
func Of(mood Mood, allowed []string, pick func(n int) int) (string, bool) {
	for _, m := range append([]Mood{mood}, mood.row().near...) {
		fit := m.allowed(allowed)
		switch {
		case len(fit) == 0:
			continue
		case pick == nil:
			return fit[0], true
		}
		return fit[pick(len(fit))], true
	}
	return "", false
}

// allowed returns the mood's reactions that the chat allows, in the mood's order.
func (m Mood) allowed(allowed []string) []string {
	return slices.DeleteFunc(strings.Fields(m.row().reactions), func(e string) bool { return !permits(allowed, e) })
}

// permits reports whether a chat's list has a normalised emoji, in any form.
func permits(allowed []string, emoji string) bool {
	return allowed == nil || slices.ContainsFunc(allowed, func(a string) bool { return Normalize(a) == emoji })
}
