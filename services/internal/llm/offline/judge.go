package offline

import (
	"strings"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// charsPerToken is the usual estimate for English.
const charsPerToken = 4

// limit is what a length class demands.
type limit struct{ min, max, chars int } // min and max are sentences

var limits = map[script.Length]limit{ //nolint:gochecknoglobals // a constant table
	script.Short:  {1, 2, 160},
	script.Medium: {2, 3, 400},
	script.Long:   {3, 5, 900},
}

// goodEnough is the score from which no further draft is tried.
const goodEnough = 0.93

// Scores below any that a usable text can have.
const (
	repeats  = -10
	deceives = -20
)

// judge says how well a draft does, 1 at best. What counts is, in this order:
// it deceives nobody, is no repetition, has its length, speaks of what it
// answers, and begins unlike the lines before it.
func (v *view) judge(text string, chars int) float64 {
	if text == "" || v.lang.lexicon.denials.MatchString(text) {
		return deceives
	}
	n := normal(text)
	score := 1.0
	for _, l := range v.lines {
		if l.normal == n {
			return repeats
		}
	}
	lim := limits[v.length]
	ends := len(sentenceEnds(text))
	direct := v.narrator || v.playing() || v.target != nil && v.target.act != states && v.target.act != questions
	if utf8.RuneCountInString(text) > chars || ends > lim.max || ends < lim.min && !direct {
		score -= 0.5
	}
	if v.target != nil && !direct {
		score -= 0.4 * v.missed(text)
	}
	// "Thinking about tomatoes, with tomatoes …"
	if title := normal(v.title); title != "" {
		score -= 0.2 * float64(max(0, strings.Count(n, title)-1))
	}
	if v.openings[opening(n)] {
		score -= 0.3
	}
	return score - v.familiar(n) - 2*max(0, v.likeness(n)-likable)
}

// likable is how alike two messages of one chat may be.
const likable = 0.35

// likeness is how alike a text is to the line most like it: the share of words
// that they have in common.
func (v *view) likeness(normal string) float64 {
	own := distinct(normal)
	common := make(map[int]int, len(v.lines))
	for w := range own {
		for _, i := range v.wordIn[w] {
			common[i]++
		}
	}
	most := 0.0
	for i, n := range common {
		most = max(most, float64(n)/float64(len(own)+v.lines[i].distinct-n))
	}
	return most
}

func distinct(normal string) map[string]bool {
	all := map[string]bool{}
	for w := range strings.FieldsSeq(normal) {
		all[w] = true
	}
	return all
}

// missed is 0 for a text that takes up a word of its target, 0.1 for one that
// keeps to the topic's words, 1 for one that does neither.
func (v *view) missed(text string) float64 {
	stems := v.lang.contentStems(text)
	if overlap(stems, v.target.stems) > 0 {
		return 0
	}
	if overlap(stems, v.topicStems()) > 0 {
		return 0.1
	}
	for s := range stems {
		if v.topic.keyStems[s] != "" {
			return 0.1
		}
	}
	return 1
}

// familiar is the share of a text's four-word runs that the history has.
func (v *view) familiar(normal string) float64 {
	grams := shingle(normal)
	if len(grams) == 0 {
		return 0
	}
	seen := 0
	for _, g := range grams {
		if v.shingles[g] {
			seen++
		}
	}
	return float64(seen) / float64(len(grams))
}

const shingleWords = 4

func shingle(normal string) []uint64 {
	w := strings.Fields(normal)
	if len(w) < shingleWords {
		return nil
	}
	grams := make([]uint64, 0, len(w)-shingleWords+1)
	for i := range len(w) - shingleWords + 1 {
		grams = append(grams, hash(strings.Join(w[i:i+shingleWords], " ")))
	}
	return grams
}

// opening is how a text begins, to be unlike the others.
func opening(normal string) string {
	w := strings.Fields(normal)
	return strings.Join(w[:min(2, len(w))], " ")
}

// cut shortens a text to n characters, at the end of a sentence or else of a word.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	short := bounded(text, max(n-1, 1))
	if ends := sentenceEnds(short); len(ends) > 0 {
		return short[:ends[len(ends)-1]]
	}
	if at := strings.LastIndexByte(short, ' '); at > 0 {
		short = short[:at]
	}
	return strings.TrimRight(short, " ,;:–-") + "…"
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}
