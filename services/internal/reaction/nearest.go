package reaction

import (
	"slices"
	"strings"
)

// Nearest is the reaction that comes nearest to an emoji in a chat that allows
// these reactions (nil: all 73; empty: none): the emoji itself, else one of the
// same mood, else one of a mood near it. It is false where nothing suits, for
// then silence is better than a wrong tone. What it returns is always Valid.
func Nearest(emoji string, allowed []string) (string, bool) {
	emoji = Normalize(emoji)
	if Valid(emoji) && permits(allowed, emoji) {
		return emoji, true
	}
	mood := MoodOf(emoji)
	for _, m := range append([]Mood{mood}, mood.near()...) {
		if fit := m.allowed(allowed); len(fit) > 0 {
			return fit[0], true
		}
	}
	return "", false
}

// Of is a reaction that expresses a mood in a chat that allows these reactions
// (nil: all 73; empty: none). Where several express it, pick chooses: it gets
// their number and returns an index below it; nil takes the most usual one. Of
// is false where nothing suits. What it returns is always Valid.
func Of(mood Mood, allowed []string, pick func(n int) int) (string, bool) {
	for _, m := range append([]Mood{mood}, mood.near()...) {
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

// allowed are the mood's reactions that the chat allows, in the mood's order.
func (m Mood) allowed(allowed []string) []string {
	return slices.DeleteFunc(strings.Fields(m.reactions()), func(e string) bool { return !permits(allowed, e) })
}

// permits tells whether a chat's list has a normalised emoji, in whatever form.
func permits(allowed []string, emoji string) bool {
	return allowed == nil || slices.ContainsFunc(allowed, func(a string) bool { return Normalize(a) == emoji })
}
