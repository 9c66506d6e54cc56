package generator

import (
	"math/bits"
	"slices"
	"strings"
	"unicode"
)

// trigrams are the threes of letters that a text's words have: in lower case, with two
// spaces before each word and one after it, so that the beginning of a word counts for
// more. A number stands for each, which another may have, too: of so few in a text none
// does in practice. They know no marks and white space: what is the same but for those
// has the similarity 1. It is the measure of PostgreSQL's pg_trgm.
// https://www.postgresql.org/docs/current/pgtrgm.html
type trigrams struct {
	numbers []uint32 // sorted, and each is there once
	// marks have a bit for each, which others may share: by them it is seen at once
	// that most texts have little in common.
	marks  [4]uint64
	marked int // how many bits are set
}

func trigramsOf(text string) trigrams {
	const (
		width  = 21 // of a character, in bits
		mixing = 0x9e3779b97f4a7c15
		start  = ' '<<width | ' '
	)
	all := make([]uint32, 0, len(text)+len(text)/4)
	three, within := uint64(start), false
	add := func(r rune) {
		three = (three<<width | uint64(r)) & (1<<(3*width) - 1) //nolint:gosec // a character is no negative number
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
	t := trigrams{numbers: slices.Compact(all)}
	for _, n := range t.numbers {
		t.marks[n>>30] |= 1 << (n >> 24 & 63)
	}
	for _, m := range t.marks {
		t.marked += bits.OnesCount64(m)
	}
	return t
}

// common returns how many trigrams both have at most.
func (t *trigrams) common(other *trigrams) int {
	n := len(t.numbers) - t.marked // those that share a bit
	for i := range t.marks {
		n += bits.OnesCount64(t.marks[i] & other.marks[i])
	}
	return n
}

// similarity is the part of the trigrams of both that both have, 0 to 1. It may be
// 0, too, if it is less than least, which is seen long before the end.
func (t *trigrams) similarity(other *trigrams, least float64) float64 {
	a, b := t.numbers, other.numbers
	both, want := 0, least/(1+least)*float64(len(a)+len(b))
	if float64(t.common(other)) < want-0.5 {
		return 0
	}
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
