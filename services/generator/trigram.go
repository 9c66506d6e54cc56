package generator

import (
	"slices"
	"strings"
	"unicode"
)

// trigrams are the threes of letters that a text's words have, as PostgreSQL's
// pg_trgm takes them: in lower case, with two spaces before each word and one after
// it. They are sorted, and each is there once. Like there, a number stands for each,
// which another may have, too: of so few in a text none does in practice.
type trigrams []uint32

func trigramsOf(text string) trigrams {
	const (
		bits   = 21 // of a character
		mixing = 0x9e3779b97f4a7c15
		start  = ' '<<bits | ' '
	)
	all := make(trigrams, 0, len(text)+len(text)/4)
	three, within := uint64(start), false
	add := func(r rune) {
		three = (three<<bits | uint64(r)) & (1<<(3*bits) - 1) //nolint:gosec // a character is no negative number
		all = append(all, uint32(three*mixing>>32))
	}
	for _, r := range strings.ToLower(text) {
		switch {
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			add(r)
			within = true
		case within:
			add(' ')
			three, within = start, false
		}
	}
	if within {
		add(' ')
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// similarity is the part of the trigrams of both that both have, 0 to 1. It may be
// 0, too, if it is less than least, which is seen long before the end.
func (a trigrams) similarity(b trigrams, least float64) float64 {
	both, want := 0, least/(1+least)*float64(len(a)+len(b))
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if float64(both+min(len(a)-i, len(b)-j)) < want-0.5 {
			return 0
		}
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			both, i, j = both+1, i+1, j+1
		}
	}
	if both == 0 {
		return 0
	}
	return float64(both) / float64(len(a)+len(b)-both)
}
