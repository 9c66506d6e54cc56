package reaction

import "fmt"

// Mood is what a reaction expresses.
type Mood int

// The moods. NoMood is that of an emoji that expresses none of the others.
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

// String is the mood's name.
func (m Mood) String() string {
	switch m {
	case NoMood:
		return "none"
	case Love:
		return "love"
	case Kindness:
		return "kindness"
	case Approval:
		return "approval"
	case Excitement:
		return "excitement"
	case Celebration:
		return "celebration"
	case Amusement:
		return "amusement"
	case Play:
		return "play"
	case Mischief:
		return "mischief"
	case Thought:
		return "thought"
	case Doubt:
		return "doubt"
	case Surprise:
		return "surprise"
	case Boredom:
		return "boredom"
	case Sadness:
		return "sadness"
	case Disapproval:
		return "disapproval"
	case Anger:
		return "anger"
	case Scorn:
		return "scorn"
	case Insult:
		return "insult"
	}
	return fmt.Sprintf("mood_%d", int(m))
}

// reactions are a mood's reactions, the most usual and mildest first. Each of
// the 73 has one mood.
func (m Mood) reactions() string {
	switch m {
	case Love:
		return "❤ 🥰 😍 ❤‍🔥 😘 💘 💋"
	case Kindness:
		return "🙏 🤗 🤝 🕊 😇"
	case Approval:
		return "👍 👌 👏 💯 🫡 😎 🆒"
	case Excitement:
		return "🔥 🤩 ⚡"
	case Celebration:
		return "🎉 🏆 🍾 🎄 🎅 ☃"
	case Amusement:
		return "😁 🤣 🤪 🙈 🙊 🙉"
	case Play:
		return "🦄 👾 🐳 🍓 🍌 🌭 👻 🎃"
	case Mischief:
		return "😈 🌚 💅"
	case Thought:
		return "🤔 👀 🤓 ✍ 👨‍💻"
	case Doubt:
		return "🤨 🤷 🤷‍♂ 🤷‍♀"
	case Surprise:
		return "🤯 😱 😨"
	case Boredom:
		return "😐 🥱 😴 🗿"
	case Sadness:
		return "😢 😭 💔"
	case Disapproval:
		return "👎"
	case Anger:
		return "😡 🤬"
	case Scorn:
		return "🤡 🥴 💊"
	case Insult:
		return "🤮 💩 🖕"
	case NoMood:
	}
	return ""
}

// others are emoji that are no reactions, but that people and language models
// use for the mood.
func (m Mood) others() string {
	switch m {
	case Love:
		return "♥ 💕 💖 💗 💓 💞 💝 💙 💚 💛 💜 🧡 🤍 🤎 😻 😚 😙 🫶"
	case Kindness:
		return "😊 ☺ 🙂 🫂 😌 🌸 🌹 💐"
	case Approval:
		return "✅ ✔ ☑ 🙌 💪 👊 🤙 🤘 🎯 ⭐ 👆 🫰"
	case Excitement:
		return "🚀 ✨ 💥 🌟 💫 😺"
	case Celebration:
		return "🎊 🥳 🥂 🍻 🍺 🎂 🎁 🎈 🥇 🏅"
	case Amusement:
		return "😂 😆 😄 😃 😀 😅 😹 😜 😝 😛 🤭"
	case Play:
		return "🍿 🍕 🎲 🎮 🤖 👽 🐱 🐶"
	case Mischief:
		return "😏 😉 🙃 😼 🤫 🤑"
	case Thought:
		return "🧐 💭 🧠 💡 📚 📖 📝 🔍"
	case Doubt:
		return "😕 😬 🫤 ❓ ❔ 🫠"
	case Surprise:
		return "😮 😲 😳 😯 🫢 😦 😧 😰 ❗ ‼ ⁉"
	case Boredom:
		return "😑 😒 🙄 💤 😶 😪"
	case Sadness:
		return "😞 😔 🥺 😥 😓 😿 ☹ 🙁 😟 😩 😫 🖤"
	case Disapproval:
		return "❌ 🚫 ⛔ ✖"
	case Anger:
		return "😠 😤 👿 💢"
	case Scorn:
		return "🤦 🤦‍♂ 🤦‍♀ 😵‍💫 🤥"
	case Insult:
		return "🤢"
	case NoMood:
	}
	return ""
}

// near are the moods that may stand in for a mood, the nearest first. None
// turns a feeling into its opposite, and none leads to Insult, which is only
// ever sent where it was asked for.
func (m Mood) near() []Mood {
	switch m {
	case Love:
		return []Mood{Kindness, Excitement, Approval}
	case Kindness:
		return []Mood{Love, Approval}
	case Approval:
		return []Mood{Kindness, Excitement, Celebration, Love}
	case Excitement:
		return []Mood{Celebration, Approval, Love}
	case Celebration:
		return []Mood{Excitement, Approval, Love}
	case Amusement:
		return []Mood{Play, Excitement, Approval}
	case Play:
		return []Mood{Amusement, Mischief, Celebration}
	case Mischief:
		return []Mood{Play, Amusement}
	case Thought:
		return []Mood{Doubt, Surprise}
	case Doubt:
		return []Mood{Thought, Boredom}
	case Surprise:
		return []Mood{Thought, Excitement}
	case Boredom:
		return []Mood{Doubt}
	case Sadness:
		return []Mood{Kindness, Love}
	case Disapproval:
		return []Mood{Doubt, Boredom}
	case Anger:
		return []Mood{Disapproval, Sadness}
	case Scorn:
		return []Mood{Mischief, Disapproval, Doubt}
	case Insult:
		return []Mood{Anger, Scorn, Disapproval}
	case NoMood:
	}
	return nil
}

// Moods returns every mood but NoMood.
func Moods() []Mood {
	var moods []Mood
	for m := Love; m <= Insult; m++ {
		moods = append(moods, m)
	}
	return moods
}

// MoodOf is the mood of an emoji, which need not be a reaction nor normalised:
// NoMood if it is not known.
func MoodOf(emoji string) Mood {
	emoji = Normalize(emoji)
	for m := Love; m <= Insult; m++ {
		if listed(m.reactions(), emoji) || listed(m.others(), emoji) {
			return m
		}
	}
	return NoMood
}
