package offline

import (
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/voice"
)

// manner is how a persona writes, whatever it says: shares of its lines.
type manner struct {
	lower float64 // begin with a small letter
	stop  float64 // end with their full stop
	bang  float64 // keep an exclamation mark
	mark  float64 // have an emoji behind
}

func (v *view) manner() manner {
	return manner{
		lower: map[string]float64{voice.Lower: 0.95}[v.persona.Voice.Capitals],
		stop:  map[string]float64{voice.Always: 1, voice.Sometimes: 0.5}[v.persona.Voice.Stops],
		bang:  v.lang.lexicon.Voices[v.speaker.voice].Bang + (v.persona.Energy-0.5)/4,
		mark:  map[string]float64{voice.Rarely: 0.1, voice.Often: 0.45}[v.persona.Voice.Emoji],
	}
}

// dress gives a text the persona's punctuation, capitals and emoji. Before a disclaimer
// that is a sentence, a sentence ends.
func (v *view) dress(text string, m manner, rng *rand.Rand) string {
	x := v.lang.lexicon.Voices[v.speaker.voice]
	if v.grave() {
		m.bang, m.mark = 0, 0
	}
	keep, small, open := rng.Float64() < m.bang, rng.Float64() < m.lower, rng.Float64() >= m.stop
	text = v.persona.Voice.Spoken(text)
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
	if n := uint64(len(x.Marks)); n > 0 && !strings.HasSuffix(text, "?") && !unicode.IsLetter(first) && !v.narrator && rng.Float64() < m.mark {
		text = strings.TrimSuffix(text, ".") + " " + x.Marks[mix(v.speaker.habits)%n]
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

// turns and openers are the shares of lines that have a favourite turn of the character
// or of the persona before them, where one may stand. Tags is that of a turn of the
// character behind them, of a persona that has no openers.
const turns, openers, tags = 0.6, 0.55, 0.4

// turn puts a favourite turn before a text. The persona's own may stand before whatever
// is written small then, the character's only before a clause.
func (d *draft) turn(text string) string {
	v := d.view
	sentence, _, _ := strings.Cut(text, ".")
	first, _, _ := strings.Cut(sentence, " ")
	if v.playing() || v.target != nil && !v.target.bot || slices.Contains(v.persona.Phrases, text) {
		return text
	}
	if own := v.persona.Voice.Openers; len(own) > 0 {
		if !v.opens(first) || d.rng.Float64() >= openers {
			return text
		}
		return v.opener(own[d.rng.IntN(len(own))]) + " " + v.small(text)
	}
	if rest, ends := strings.CutSuffix(text, "."); ends && !v.narrator && !strings.ContainsAny(lastSentence(text), ",:") && d.rng.Float64() < tags {
		if tag, ok := d.expand("tag", 0); ok {
			text = rest + ", " + tag + "."
		}
	}
	if v.narrator || strings.ContainsAny(sentence, "?:!\"") ||
		!strings.Contains(sentence, " ") || !slices.Contains(v.lang.lexicon.Turned, strings.ToLower(first)) || d.rng.Float64() >= turns {
		return text
	}
	if turn, ok := d.expand("turn", 0); ok {
		return turn + " " + v.small(text)
	}
	return text
}

// opens tells whether an opener may stand before a word: one that is no name, and no
// opener or whole remark itself.
func (v *view) opens(first string) bool {
	return !strings.ContainsAny(first, ",.:;!?\"“„") && (v.lang.lowers(first) || slices.Contains(v.lang.lexicon.Turned, strings.ToLower(first)))
}

// opener is one of the persona's own as it writes it.
func (v *view) opener(text string) string {
	if r, n := utf8.DecodeRuneInString(text); v.persona.Voice.Capitals == voice.Lower && !strings.HasPrefix(text, "I ") && !strings.HasPrefix(text, "I'") {
		text = string(unicode.ToLower(r)) + text[n:]
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
