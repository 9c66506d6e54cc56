package generator

import (
	"slices"
	"strings"
	"unicode"
)

// trigrams are the threes of letters that a text's words have, as PostgreSQL's
// pg_trgm takes them: in lower case, with two spaces before each word and one after
// it. They are sorted, and each is there once.
type trigrams []uint64

func trigramsOf(text string) trigrams {
	const bits = 21 // of a character
	var all trigrams
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
		three := uint64(' ')<<bits | uint64(' ')
		for _, r := range word + " " {
			three = (three<<bits | uint64(r)) & (1<<(3*bits) - 1) //nolint:gosec // a character is no negative number
			all = append(all, three)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// similarity is the part of the trigrams of both that both have, 0 to 1.
func (a trigrams) similarity(b trigrams) float64 {
	both := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
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
