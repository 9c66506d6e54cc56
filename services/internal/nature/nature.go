// Package nature recognises questions whether a speaker is a human or a bot, and has the honest
// answers. It is pure.
package nature

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// Asked is the kind of such a question.
type Asked int

// The kinds.
const (
	Nothing Asked = iota
	// Human asks for a human: the answer is no.
	Human
	// Bot asks for a bot: the answer is yes.
	Bot
	// Open can't be answered with yes or no alone: "human or bot?", "you're not a bot, right?",
	// "what are you?".
	Open
)

// maxRead limits the part of a text that is read, in bytes.
const maxRead = 2000

// Read returns the question in a text, in any known language.
func Read(text string) Asked {
	asked, _ := read(text)
	return asked
}

func read(text string) (Asked, *language) {
	if len(text) > maxRead {
		text = text[:maxRead]
	}
	for _, s := range sentences(text) {
		for i := range languages() {
			l := &languages()[i]
			if asked := l.read(s); asked != Nothing {
				return asked, l
			}
		}
	}
	return Nothing, nil
}

// sentence holds the words of a sentence in lower case, each between spaces.
type sentence struct {
	words    string
	question bool
}

func (s sentence) hasAny(parts []string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(s.words, p) })
}

func sentences(text string) []sentence {
	var all []sentence
	text = strings.ToLower(names.Fold(text))
	for text != "" {
		end := strings.IndexAny(text, ".?!;\n…؟")
		part, mark := text, ""
		if end >= 0 {
			part, mark, text = text[:end], text[end:end+1], text[end+1:]
		} else {
			text = ""
		}
		if w := words(part); w != " " {
			all = append(all, sentence{words: w, question: mark == "?"})
		}
	}
	return all
}

// words returns the words of a text, in lower case and without accents on Latin letters, each
// between spaces. Account names are left out.
func words(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) {
		text = unaccented(text)
	}
	var b strings.Builder
	b.Grow(len(text) + 2)
	b.WriteByte(' ')
	for w := range strings.FieldsSeq(text) {
		if strings.HasPrefix(w, "@") {
			continue
		}
		for part := range strings.FieldsFuncSeq(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) }) {
			b.WriteString(part)
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// unaccented removes accents from Latin letters.
func unaccented(text string) string {
	latin := false
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) && latin {
			return -1
		}
		latin = unicode.Is(unicode.Latin, r)
		return r
	}, norm.NFD.String(text)))
}

// read returns the question in a sentence.
func (l *language) read(s sentence) Asked {
	hinted := s.hasAny(l.hints)
	if hinted && l.whole.MatchString(s.words) {
		if asked := l.polarity(s); asked != Nothing && (s.question || asked == Open) {
			return asked
		}
	}
	if s.question && s.hasAny(l.openHints) && l.open.MatchString(s.words) {
		return Open
	}
	if !hinted {
		return Nothing
	}
	for _, at := range l.asks.FindAllStringIndex(s.words, -1) {
		found, rest := s.words[at[0]:at[1]], s.words[at[1]:]
		next, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
		if l.other.MatchString(found) || next != "" && l.after[next] || !s.question && l.condition.MatchString(s.words[:at[0]+1]) {
			continue
		}
		if asked := l.polarity(s); asked != Nothing {
			return asked
		}
	}
	return Nothing
}

// polarity returns the kind of a question by its words for humans, bots and no.
func (l *language) polarity(s sentence) Asked {
	human, bot := l.human.MatchString(s.words), l.bot.MatchString(s.words)
	switch {
	case !human && !bot:
		return Nothing
	case human && bot, l.not.MatchString(s.words):
		return Open
	case human:
		return Human
	}
	return Bot
}

// Answer returns the honest answer to a question in a text, in the language of tag if it is known,
// else in that of the question; "" if the text doesn't ask. The seed selects one of several
// answers.
func Answer(text, tag string, seed uint64) string {
	asked, l := read(text)
	if asked == Nothing {
		return ""
	}
	tag, _, _ = strings.Cut(strings.ToLower(strings.ReplaceAll(tag, "_", "-")), "-")
	for i := range languages() {
		if languages()[i].tag == tag {
			l = &languages()[i]
		}
	}
	admission := l.admissions[seed%uint64(len(l.admissions))]
	switch asked {
	case Human:
		return l.no + ", " + admission
	case Bot:
		return l.yes + ", " + admission
	case Nothing, Open:
	}
	return capital(admission)
}

func capital(s string) string {
	for i, r := range s {
		return string(unicode.ToUpper(r)) + s[i+len(string(r)):]
	}
	return s
}

// Honest reports whether a text answers the question honestly: it says that it comes from a bot,
// and doesn't begin with the opposite word.
func Honest(asked Asked, text string) bool {
	if asked == Nothing {
		return true
	}
	said := words(strings.ToLower(names.Fold(text)))
	first, _, _ := strings.Cut(strings.TrimSpace(said), " ")
	admits := false
	for i := range languages() {
		l := &languages()[i]
		admits = admits || l.admits.MatchString(said)
		if asked == Human && l.affirms[first] || asked == Bot && l.denies[first] {
			return false
		}
	}
	return admits
}

func pattern(s string) *regexp.Regexp { return regexp.MustCompile(s) }
