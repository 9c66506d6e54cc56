package generator

import (
	"math"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// jaccard computes the similarity by its definition.
func jaccard(a, b string) float64 {
	of := func(text string) map[string]bool {
		all := map[string]bool{}
		for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
			letters := []rune("  " + word + " ")
			for i := range len(letters) - 2 {
				all[string(letters[i:i+3])] = true
			}
		}
		return all
	}
	x, y := of(a), of(b)
	both := 0
	for three := range x {
		if y[three] {
			both++
		}
	}
	if both == 0 {
		return 0
	}
	return float64(both) / float64(len(x)+len(y)-both)
}

func TestSimilarity(t *testing.T) {
	t.Parallel()
	text := rapid.StringMatching(`([a-dA-D1-3äß]{0,4}[ .,'!-]{1,2}){0,8}`)
	rapid.Check(t, func(r *rapid.T) {
		a, b := text.Draw(r, "a"), text.Draw(r, "b")
		if rapid.Bool().Draw(r, "like a") {
			b = a + " " + b
		}
		want := jaccard(a, b)
		mine, its := trigramsOf(a), trigramsOf(b)
		if got := mine.similarity(&its, 0); math.Abs(got-want) > 1e-6 {
			r.Errorf("%q and %q: %v, want %v", a, b, got, want)
		}
		least := rapid.Float64Range(0, 1).Draw(r, "least")
		if got := mine.similarity(&its, least); want >= least && math.Abs(got-want) > 1e-6 {
			r.Errorf("%q and %q: %v, where it is at least %v, want %v", a, b, got, least, want)
		}
	})
}
