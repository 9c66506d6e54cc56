package reaction

import (
	"cmp"
	"fmt"
)

// Mood is the feeling that a reaction expresses.
type Mood int

// The moods. NoMood is the mood of an emoji that expresses none of the others.
const (
	NoMood Mood = iota
	Love
	Kindness
	Approval
	Excitement
	Celebration
	Amusement
	Play
	Mischief
	Thought
	Doubt
	Surprise
	Boredom
	Sadness
	Disapproval
	Anger
	Scorn
	Insult
)

// mood is a row of the table: the name; the reactions, the most usual and mildest first; other
// emoji that people and language models use for it; and the moods that may replace it, the nearest
// first.
type mood struct {
	name, reactions, others string
	near                    []Mood
}

// moods has each of the 73 reactions once. No replacement turns a feeling into its opposite, and
// none is Insult, which is only used if it was asked for.
//
//nolint:gochecknoglobals // constant
var moods = [...]mood{
	NoMood:      {name: "none"},
	Love:        {"love", "❤ 🥰 😍 ❤‍🔥 😘 💘 💋", "♥ 💕 💖 💗 💓 💞 💝 💙 💚 💛 💜 🧡 🤍 🤎 😻 😚 😙 🫶", []Mood{Kindness, Excitement, Approval}},
	Kindness:    {"kindness", "🙏 🤗 🤝 🕊 😇", "😊 ☺ 🙂 🫂 😌 🌸 🌹 💐", []Mood{Love, Approval}},
	Approval:    {"approval", "👍 👌 👏 💯 🫡 😎 🆒", "✅ ✔ ☑ 🙌 💪 👊 🤙 🤘 🎯 ⭐ 👆 🫰", []Mood{Kindness, Excitement, Celebration, Love}},
	Excitement:  {"excitement", "🔥 🤩 ⚡", "🚀 ✨ 💥 🌟 💫 😺", []Mood{Celebration, Approval, Love}},
	Celebration: {"celebration", "🎉 🏆 🍾 🎄 🎅 ☃", "🎊 🥳 🥂 🍻 🍺 🎂 🎁 🎈 🥇 🏅", []Mood{Excitement, Approval, Love}},
	Amusement:   {"amusement", "😁 🤣 🤪 🙈 🙊 🙉", "😂 😆 😄 😃 😀 😅 😹 😜 😝 😛 🤭", []Mood{Play, Excitement, Approval}},
	Play:        {"play", "🦄 👾 🐳 🍓 🍌 🌭 👻 🎃", "🍿 🍕 🎲 🎮 🤖 👽 🐱 🐶", []Mood{Amusement, Mischief, Celebration}},
	Mischief:    {"mischief", "😈 🌚 💅", "😏 😉 🙃 😼 🤫 🤑", []Mood{Play, Amusement}},
	Thought:     {"thought", "🤔 👀 🤓 ✍ 👨‍💻", "🧐 💭 🧠 💡 📚 📖 📝 🔍", []Mood{Doubt, Surprise}},
	Doubt:       {"doubt", "🤨 🤷 🤷‍♂ 🤷‍♀", "😕 😬 🫤 ❓ ❔ 🫠", []Mood{Thought, Boredom}},
	Surprise:    {"surprise", "🤯 😱 😨", "😮 😲 😳 😯 🫢 😦 😧 😰 ❗ ‼ ⁉", []Mood{Thought, Excitement}},
	Boredom:     {"boredom", "😐 🥱 😴 🗿", "😑 😒 🙄 💤 😶 😪", []Mood{Doubt}},
	Sadness:     {"sadness", "😢 😭 💔", "😞 😔 🥺 😥 😓 😿 ☹ 🙁 😟 😩 😫 🖤", []Mood{Kindness, Love}},
	Disapproval: {"disapproval", "👎", "❌ 🚫 ⛔ ✖", []Mood{Doubt, Boredom}},
	Anger:       {"anger", "😡 🤬", "😠 😤 👿 💢", []Mood{Disapproval, Sadness}},
	Scorn:       {"scorn", "🤡 🥴 💊", "🤦 🤦‍♂ 🤦‍♀ 😵‍💫 🤥", []Mood{Mischief, Disapproval, Doubt}},
	Insult:      {"insult", "🤮 💩 🖕", "🤢", []Mood{Anger, Scorn, Disapproval}},
}

// String returns the mood's name.
func (m Mood) String() string {
	return cmp.Or(m.row().name, fmt.Sprintf("mood_%d", int(m)))
}

// row returns the mood's row; an empty one for an invalid mood.
func (m Mood) row() mood {
	if m < 0 || int(m) >= len(moods) {
		return mood{}
	}
	return moods[m]
}

// Moods returns every mood but NoMood.
func Moods() []Mood {
	var moods []Mood
	for m := Love; m <= Insult; m++ {
		moods = append(moods, m)
	}
	return moods
}

// MoodOf returns the mood of an emoji, which need not be a reaction or normalised; NoMood if it is
// not known.
func MoodOf(emoji string) Mood {
	emoji = Normalize(emoji)
	for m := Love; m <= Insult; m++ {
		if listed(m.row().reactions, emoji) || listed(m.row().others, emoji) {
			return m
		}
	}
	return NoMood
}
