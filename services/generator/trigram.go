package generator

import (
	"math/bits"
	"slices"
	"strings"
	"unicode"
)

// trigrams holds the trigrams of a text's words: in lower case, with two spaces before each word
// and one after it, so that the beginning of a word counts for more. Each trigram is hashed to a
// number; in practice no two trigrams of a text collide. Punctuation and white space are ignored:
// texts that differ in nothing else have similarity 1. It is the measure of PostgreSQL's pg_trgm.
// https://www.postgresql.org/docs/current/pgtrgm.html
type trigrams struct {
	numbers []uint32 // sorted, without duplicates
	// marks has a bit for each number; several numbers may share one. Comparing the bits shows fast
	// that two texts have little in common.
	marks  [4]uint64
	marked int // number of bits set
}

func trigramsOf(text string) trigrams {
	const (
		width  = 21 // bits of a character
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

// common returns an upper bound of the trigrams that both have.
func (t *trigrams) common(other *trigrams) int {
	n := len(t.numbers) - t.marked // at least so many share a bit with another
	for i := range t.marks {
		n += bits.OnesCount64(t.marks[i] & other.marks[i])
	}
	return n
}

// similarity returns the share of trigrams that both have, 0 to 1. If it is less than least, the
// result may be 0: the comparison then stops early.
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
