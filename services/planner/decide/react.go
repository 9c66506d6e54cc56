package decide

import (
	"unicode"

	"github.com/chorus-cast/chorus/services/internal/reaction"
)

// reaction makes the turn a reaction to one of the last messages, with its
// probability, if there is something to react to and an emoji to do it with.
func (d *decider) reaction(t *Turn, bot *Bot) bool {
	if d.set.ReactionMode == ReactionsOff {
		return false
	}
	first, n := d.window(d.set.ReactionWindow), 0
	for i := first; i < len(d.in.Recent); i++ {
		if d.answerable(bot, &d.in.Recent[i]) {
			n++
		}
	}
	if n == 0 || !d.reacts {
		return false
	}
	n = d.random.IntN(n)
	for i := first; i < len(d.in.Recent); i++ {
		m := &d.in.Recent[i]
		if !d.answerable(bot, m) {
			continue
		}
		if n > 0 {
			n--
			continue
		}
		return d.react(t, bot, m)
	}
	return false
}

func (d *decider) react(t *Turn, bot *Bot, m *Message) bool {
	mood := d.mood(bot, m.Text)
	emoji, ok := reaction.Of(mood, d.allowed(), d.random.IntN)
	if !ok {
		return false
	}
	t.Kind, t.Target, t.Emoji = KindReaction, m.Number, emoji
	d.because("kind.reaction", d.set.ReactionProbability, author(m))
	d.because("reaction.mood", 1, mood.String())
	t.Sticker = d.sticker(bot, mood)
	return true
}

// stickerShare is the share of stickers in the reactions of a mood for which a bot has any.
const stickerShare = 0.5

// sticker is one of the bot's that expresses the mood, if the reaction is to be one.
func (d *decider) sticker(bot *Bot, mood reaction.Mood) string {
	var fit []string
	for _, s := range bot.Stickers {
		if s.Mood == mood.String() {
			fit = append(fit, s.FileID)
		}
	}
	if len(fit) == 0 || d.set.ReactionMode == ReactionsNative || !d.chance(stickerShare) {
		return ""
	}
	d.because("reaction.sticker", stickerShare, "")
	return fit[d.random.IntN(len(fit))]
}

// allowed are the emoji to choose from; nil is all. A chat that allows none, or
// whose reactions are sent as messages, doesn't limit what a message says.
func (d *decider) allowed() []string {
	switch d.set.ReactionMode {
	case ReactionsMessage:
		return nil
	case ReactionsNativeThenMessage:
		if len(d.in.Chat.AllowedReactions) == 0 {
			return nil
		}
	}
	return d.in.Chat.AllowedReactions
}

// Words of people in a mood that a reaction can share.
const (
	loveWords        = "love adore beautiful lovely sweet cute"
	kindnessWords    = "thanks thank welcome grateful appreciate please hug"
	celebrationWords = "congratulations congrats won birthday anniversary finally published celebrate"
	amusementWords   = "haha hahaha lol funny joke hilarious laugh laughing"
	excitementWords  = "amazing awesome great fantastic brilliant incredible wow best"
	sadnessWords     = negativeWords
	thoughtWords     = "maybe perhaps wonder why how think suppose theory question"
	surpriseWords    = "unbelievable suddenly shocked surprised unexpected twist"
)

// lexicon is the words of the moods.
var lexicon = func() *keywords { //nolint:gochecknoglobals // constant
	var k keywords
	for _, l := range []struct {
		words string
		mood  reaction.Mood
	}{
		{sadnessWords, reaction.Sadness},
		{celebrationWords, reaction.Celebration},
		{amusementWords, reaction.Amusement},
		{loveWords, reaction.Love},
		{kindnessWords, reaction.Kindness},
		{surpriseWords, reaction.Surprise},
		{excitementWords, reaction.Excitement},
		{thoughtWords, reaction.Thought},
	} {
		k.addAll(l.words, moodSense, int(l.mood))
	}
	return &k
}()

// mood is the one to react in: that of the message, as far as a few words or
// its first emoji show it, else a friendly one.
func (d *decider) mood(bot *Bot, text string) reaction.Mood {
	if mood, ok := emojiMood(text); ok {
		return mood
	}
	var hits [reaction.Insult + 1]int
	best := reaction.NoMood
	lexicon.visit(text, func(k keyword) {
		hits[k.bit]++
		if hits[k.bit] > hits[best] {
			best = reaction.Mood(k.bit)
		}
	})
	switch {
	case best != reaction.NoMood:
		return best
	case asks(text):
		return reaction.Thought
	case d.chance(within(bot.Energy, 0, 1) / 2):
		return reaction.Excitement
	}
	return reaction.Approval
}

// emojiMood is the mood of the first emoji in a text, if it is one to share.
func emojiMood(text string) (reaction.Mood, bool) {
	for _, r := range text[:min(len(text), scanBytes)] {
		if !unicode.Is(unicode.So, r) || r == unicode.ReplacementChar {
			continue
		}
		switch mood := reaction.MoodOf(string(r)); mood {
		case reaction.Love, reaction.Kindness, reaction.Approval, reaction.Excitement, reaction.Celebration,
			reaction.Amusement, reaction.Thought, reaction.Surprise, reaction.Sadness:
			return mood, true
		case reaction.NoMood, reaction.Play, reaction.Mischief, reaction.Doubt, reaction.Boredom,
			reaction.Disapproval, reaction.Anger, reaction.Scorn, reaction.Insult:
			return reaction.NoMood, false
		}
	}
	return reaction.NoMood, false
}
