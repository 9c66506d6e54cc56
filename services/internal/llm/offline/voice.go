package offline

import (
	"cmp"
	"math"
	"math/rand/v2"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// manner is how a persona writes, whatever it says: by its tone, its energy and
// something of its own. All but words are shares of its lines.
type manner struct {
	words float64 // as a multiple of the usual length
	lower float64 // begin with a small letter
	stop  float64 // end with their full stop
	bang  float64 // keep an exclamation mark
}

func (v *view) manner() manner {
	x := v.lang.lexicon.Voices[v.speaker.voice]
	own := float64(mix(v.speaker.habits)%1000)/1000 - 0.5
	energy := cmp.Or(v.persona.Energy, 0.5) - 0.5
	return manner{
		words: x.Words * (1 + own/3),
		lower: x.Lower + own/3 + energy/4,
		stop:  x.Stop - own/3 - energy/4,
		bang:  x.Bang + energy/4,
	}
}

// lengths are the median words of a length class and the spread of their logarithm:
// many lines are short, and a few are long.
var lengths = map[script.Length]struct{ median, spread float64 }{ //nolint:gochecknoglobals // a constant table
	script.Short:  {5.5, 1.05},
	script.Medium: {18, 0.75},
	script.Long:   {95, 0.5},
}

func (m manner) length(class script.Length, rng *rand.Rand) int {
	of := lengths[class]
	return max(1, int(math.Round(of.median*m.words*math.Exp(of.spread*rng.NormFloat64()))))
}

// dress gives a text the persona's punctuation and capitals. A short line has less
// of both. Before a disclaimer a sentence ends.
func (v *view) dress(text string, m manner, rng *rand.Rand) string {
	if len(strings.Fields(text)) <= brief {
		m.lower, m.stop = m.lower+0.25, m.stop-0.45
	}
	keep, small, open := rng.Float64() < m.bang, rng.Float64() < m.lower, rng.Float64() >= m.stop
	if !keep {
		text = strings.ReplaceAll(text, "!", ".")
	}
	if open && v.disclaimer == "" && !strings.HasSuffix(text, "..") {
		text = strings.TrimSuffix(text, ".")
	}
	first, _, _ := strings.Cut(text, " ")
	if small && v.lang.lowers(strings.Trim(first, ".,:!?…")) {
		r, n := utf8.DecodeRuneInString(text)
		text = string(unicode.ToLower(r)) + text[n:]
	}
	return text
}

// lowers tells whether a word is known to be written small within a sentence.
func (l *language) lowers(word string) bool {
	w := strings.ToLower(strings.ReplaceAll(word, "’", "'"))
	return (l.stop[w] || l.common[w] || l.small[w] && !l.lexicon.Nouns) && w != "i" && !strings.HasPrefix(w, "i'")
}
