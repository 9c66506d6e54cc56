package offline

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
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
	script.Short:  {5, 1.4},
	script.Medium: {14, 1.2},
	script.Long:   {95, 0.5},
}

func (m manner) length(class script.Length, rng *rand.Rand) int {
	of := lengths[class]
	return max(1, int(math.Round(of.median*m.words*math.Exp(of.spread*rng.NormFloat64()))))
}

// dress gives a text the persona's punctuation and capitals. A short
// line has less of both. Before a disclaimer that is a sentence, a sentence ends.
func (v *view) dress(text string, m manner, rng *rand.Rand) string {
	x := v.lang.lexicon.Voices[v.speaker.voice]
	if len(strings.Fields(text)) <= brief {
		m.stop -= 0.45
	}
	keep, small, open := rng.Float64() < m.bang, rng.Float64() < m.lower, rng.Float64() >= m.stop
	if !keep {
		text = strings.ReplaceAll(text, "!", ".")
	}
	if x.Join != "" && !v.narrator {
		parts := strings.Split(text, ". ")
		for i, p := range parts[1:] {
			parts[i+1] = v.small(p)
		}
		text = strings.Join(parts, x.Join)
	}
	first, _ := utf8.DecodeRuneInString(v.disclaimer)
	if open && !v.narrator && !unicode.IsLetter(first) && !strings.HasSuffix(text, "..") {
		text = strings.TrimSuffix(text, ".")
	}
	if x.Mark != "" && !strings.HasSuffix(text, "?") && !unicode.IsLetter(first) && !v.narrator && rng.Float64() < marks {
		text = strings.TrimSuffix(text, ".") + x.Mark
	}
	if small {
		from, said := 0, ""
		for _, end := range append(sentenceEnds(text), len(text)) {
			s := strings.TrimLeft(text[from:end], " ")
			said, from = join(said, v.small(s)), end
		}
		text = said
	}
	return text
}

// turns and marks are the shares of lines that have a favourite turn before them, where one
// may stand, and the voice's mark behind.
const turns, marks = 0.6, 0.2

// turn puts a favourite turn before a text that begins with a clause of its own.
func (d *draft) turn(text string) string {
	v := d.view
	sentence, _, _ := strings.Cut(text, ".")
	first, _, _ := strings.Cut(sentence, " ")
	if v.narrator || v.playing() || v.target != nil && !v.target.bot || strings.ContainsAny(sentence, "?:!\"") ||
		!strings.Contains(sentence, " ") || !slices.Contains(v.lang.lexicon.Turned, strings.ToLower(first)) || d.rng.Float64() >= turns {
		return text
	}
	if turn, ok := d.expand("turn", 0); ok {
		return turn + " " + v.small(text)
	}
	return text
}

// small is a text with a small first letter where that is no name's.
func (v *view) small(text string) string {
	first, _, _ := strings.Cut(text, " ")
	for _, name := range v.given {
		if name != "" && strings.HasPrefix(text, name) {
			return text
		}
	}
	if v.lang.lowers(strings.Trim(first, ".,:!?…")) {
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
