package guard

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

const (
	// firm is the confidence from which a persona must not contradict its stance.
	firm = 0.5
	// alike is the share of a stance's words from which a sentence is about it.
	alike = 0.6
	// near is the share from which a sentence may be about it.
	near = 0.3
)

// negations turn a sentence into its opposite, as do words that end in n't.
//
//nolint:gochecknoglobals // constant
var negations = wordSet(`not never no nobody nothing neither nor hardly without nicht nie niemals kein keine keiner keines keinem keinen nichts kaum
	nunca jamás tampoco nada ninguno ninguna ningún`)

func negates(word string) bool {
	return negations[word] || strings.HasSuffix(word, "n't") || strings.HasSuffix(word, "n’t")
}

func negated(words []string) bool { return slices.ContainsFunc(words, negates) }

func wordSet(words string) map[string]bool {
	all := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		all[w] = true
	}
	return all
}

// opposites are words that mean the opposite of one another.
//
//nolint:gochecknoglobals // constant
var opposites = [][2][]string{
	{{"love", "adore", "enjoy", "like", "admire"}, {"hate", "despise", "loathe", "dislike", "detest"}},
	{{"best", "great", "brilliant", "wonderful", "good", "excellent", "favourite", "favorite"}, {"worst", "terrible", "awful", "bad", "boring", "dreadful", "overrated"}},
	{{"always"}, {"never"}},
	{{"more"}, {"less"}},
	{{"better"}, {"worse"}},
	{{"high", "higher"}, {"low", "lower"}},
	{{"too long"}, {"too short"}},
	{{"liebe", "mag", "schön", "gut", "großartig", "beste"}, {"hasse", "schlecht", "langweilig", "furchtbar", "schlechteste"}},
	{{"besser"}, {"schlechter"}},
	{{"immer"}, {"nie"}},
	{{"amo", "encanta", "adoro", "mejor", "bueno", "buena"}, {"odio", "detesto", "peor", "malo", "mala", "aburrido", "aburrida"}},
	{{"siempre"}, {"nunca"}},
}

// said is a sentence, split into words once.
type said struct {
	text    string
	words   []string
	content []string
	negated bool
}

func read(s string) said {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !isWord(r) })
	return said{text: s, words: words, content: content(words), negated: negated(words)}
}

// spaced returns a sentence with a space around each word.
func (s said) spaced() string { return " " + strings.Join(s.words, " ") + " " }

// contradicts compares a sentence with a stance: about is the share of the stance's words that it
// has, opposite reports whether it says the contrary.
func contradicts(sentence, stance said) (about float64, opposite bool) {
	if len(stance.content) == 0 {
		return 0, false
	}
	shared := 0
	for _, w := range stance.content {
		if slices.Contains(sentence.content, w) {
			shared++
		}
	}
	if shared == 0 {
		return 0, false
	}
	about = float64(shared) / float64(len(stance.content))
	mine, its := stance.spaced(), sentence.spaced()
	swapped, swaps := false, 0.0
	for _, pair := range opposites {
		for side := range 2 {
			if has(mine, pair[side]) && has(its, pair[1-side]) && !has(its, pair[side]) {
				swapped = true
				swaps = 1 / float64(len(stance.content)) // the swapped word counts as shared, too
			}
		}
	}
	return min(about+swaps, 1), (stance.negated != sentence.negated) != swapped
}

// turned returns the first firm stance that a sentence contradicts and shares at least this part
// with.
func turned(d *Draft, part float64) *script.Stance {
	var all []said
	lower := strings.ToLower(d.Text)
	for i, s := range d.Scene.Stances {
		if s.Confidence < firm {
			continue
		}
		mine := read(s.Text)
		if !slices.ContainsFunc(mine.content, func(w string) bool { return strings.Contains(lower, w) }) {
			continue // no sentence can be about it
		}
		if all == nil {
			for _, sentence := range sentences(d.Text) {
				all = append(all, read(sentence))
			}
		}
		for _, sentence := range all {
			if about, opposite := contradicts(sentence, mine); about >= part && opposite {
				d.found = strings.TrimSpace(sentence.text)
				return &d.Scene.Stances[i]
			}
		}
	}
	return nil
}

// stance objects to a sentence that contradicts one of the persona's firm opinions.
func stance(d *Draft) string {
	if s := turned(d, alike); s != nil {
		return fmt.Sprintf("It contradicts what %s thinks of %s: %s", d.Scene.Persona.Name, s.Topic, s.Text)
	}
	return ""
}

// Doubtful returns a firm stance that a draft may contradict, if only a reader can decide: a
// sentence shares a part of it and says the contrary. Nil means that no model need be asked.
func Doubtful(d Draft) *script.Stance { return turned(&d, near) }

var sentenceEnd = regexp.MustCompile(`[.!?…]+(?:\s|$)|\n`)

func sentences(s string) []string { return sentenceEnd.Split(s, -1) }

func has(spaced string, words []string) bool {
	for _, w := range words {
		if strings.Contains(spaced, " "+w+" ") {
			return true
		}
	}
	return false
}

// longWord is the least length, in characters, of a word that shows the subject of a sentence.
const longWord = 4

// content returns the words that show the subject of a sentence, each once and only by its
// beginning, so that "trust" and "trusts" are equal.
func content(words []string) []string {
	var beginnings []string
	for _, w := range words {
		if utf8.RuneCountInString(w) < longWord || small[w] || negates(w) {
			continue
		}
		if b := beginning(w, 5); !slices.Contains(beginnings, b) {
			beginnings = append(beginnings, b)
		}
	}
	return beginnings
}

// beginning returns the first n characters of a text, or all of it.
func beginning(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// small words are long enough for content but say little.
//
//nolint:gochecknoglobals // constant
var small = wordSet(`about after also because been before being could does doesn doing don't down each even ever every from have having
	here into isn itself just least many might more most much must only other over quite rather really same shall should some somehow something such than that
	that's their them then there these they thing think this those though through very want wasn well were what when where which while will with would your
	aber alle auch beim dann dass dein denn dieser doch eine einen einem einer eines etwas euch habe haben hier immer jede kann mehr mein mich muss nach noch oder
	schon sehr sein sich sind über unter viel wenn wird wurde como cuando desde donde ella ellos entre esta este esto están hacer hasta más para pero porque puede
	quien siempre sobre solo también tanto tiene toda todo unos`)
