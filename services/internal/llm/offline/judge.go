package offline

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// charsPerToken is the usual estimate for English.
const charsPerToken = 4

// limit is what a length class allows.
type limit struct{ sentences, chars int }

var limits = map[script.Length]limit{ //nolint:gochecknoglobals // a constant table
	script.Short:  {3, 160},
	script.Medium: {7, 400},
	script.Long:   {12, 900},
}

// goodEnough is the score from which no further draft is tried.
const goodEnough = 0.85

// repeats is below the score of any text that can be used.
const repeats = -10

// judge says how well a draft does, 1 at best. What counts is, in this order:
// it says no sentence again, has its length, speaks of what it answers, and begins
// unlike the lines before it.
func (v *view) judge(r *reading, words []string, want, chars int) float64 {
	if r.text == "" {
		return repeats
	}
	score, opened := 1.0, false
	for i, l := range v.lines {
		if l.normal == r.normal {
			return repeats
		}
		opened = opened || (l.own || len(v.lines)-i <= recentLines) && l.opening == r.opening
	}
	if slices.ContainsFunc(r.sentences, v.sentences.mayHave) {
		return repeats
	}
	if utf8.RuneCountInString(r.text) > chars {
		score -= 0.5
	}
	if !v.direct() {
		score -= 0.35 * math.Abs(math.Log(float64(max(r.length, 1))/float64(want)))
	}
	if r.length <= brief {
		return score
	}
	if v.target != nil && !v.direct() {
		score -= 0.6 * v.missed(v.lang.stems(words))
	}
	// "Thinking about tomatoes, with tomatoes …"
	if title := normal(v.title); title != "" {
		score -= 0.2 * float64(max(0, strings.Count(r.normal, title)-1))
	}
	if opened {
		score -= 0.2
	}
	return score
}

// direct tells whether what is said next follows from the scene, whatever its length.
func (v *view) direct() bool {
	return v.narrator || v.playing() || v.target != nil && (len(v.target.rules) > 0 || v.target.act == questions && !v.target.bot)
}

// missed is 0 for a text, by its stems, that takes up a word of its target, 0.1 for one
// that keeps to the topic's words, 1 for one that does neither.
func (v *view) missed(stems []string) float64 {
	if overlap(stems, v.target.stems) > 0 {
		return 0
	}
	if v.onTopic(stems) || v.topic.keyed(stems) {
		return 0.1
	}
	return 1
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
