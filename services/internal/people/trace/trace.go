// Package trace finds out whether a text names a person, or uses words that only this person
// brought up. It is pure, and prefers to find too much.
package trace

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// shortest is the least number of letters of a word that can show who brought it up.
	shortest = 4
	// stem is the number of letters of a word that are compared: the rest is usually an ending.
	stem = 6
	// gram is the number of characters that count as a word in scripts without spaces.
	gram = 3
	// ending is how many letters longer than a name its other forms may be, as in "Toms".
	ending = 2
	// inflected is the least number of letters of a name that has other forms.
	inflected = 3
)

// Names holds the names of a person.
type Names struct {
	// Whole holds the complete name and the username, in lower case; Words holds the words of the
	// name.
	Whole []string `json:"whole,omitempty"`
	Words []string `json:"words,omitempty"`
}

// NamesOf returns the names of a person. Names that members of the cast have, too, don't identify
// the person and are left out.
func NamesOf(name, username string, cast ...string) Names {
	var theirs []string
	for _, n := range cast {
		theirs = slices.AppendSeq(theirs, tokens(n))
	}
	var n Names
	mine := slices.Collect(tokens(name))
	for _, w := range mine {
		if !slices.Contains(theirs, w) && (utf8.RuneCountInString(w) > 1 || len(mine) == 1) {
			n.Words = append(n.Words, w)
		}
	}
	if len(n.Words) > 0 || len(mine) == 0 && strings.TrimSpace(name) != "" {
		n.Whole = append(n.Whole, strings.ToLower(strings.TrimSpace(name)))
	}
	if username != "" {
		n.Whole = append(n.Whole, strings.ToLower(username))
	}
	return n
}

// In reports whether a text names the person.
func (n Names) In(text string) bool {
	lower := strings.ToLower(text)
	for _, whole := range n.Whole {
		if utf8.RuneCountInString(whole) >= inflected && strings.Contains(lower, whole) {
			return true
		}
	}
	return slices.ContainsFunc(n.Words, func(w string) bool {
		switch {
		case !strings.Contains(lower, w):
			return false
		case unspaced(w):
			return true
		}
		for token := range tokens(lower) {
			if formOf(token, w) {
				return true
			}
		}
		return false
	})
}

// formOf reports whether a word is a name or another form of it.
func formOf(token, name string) bool {
	if token == name {
		return true
	}
	letters := utf8.RuneCountInString(name)
	return letters >= inflected && strings.HasPrefix(token, name) && utf8.RuneCountInString(token)-letters <= ending
}

// Words are words, without their endings, that only one person brought up.
type Words map[string]bool

// In reports whether a text has one of the words.
func (w Words) In(text string) bool {
	for s := range stems(text) {
		if w[s] {
			return true
		}
	}
	return false
}

// List returns the words, sorted.
func (w Words) List() []string { return slices.Sorted(maps.Keys(w)) }

// WordsOf returns the words of a list.
func WordsOf(list []string) Words {
	w := make(Words, len(list))
	for _, s := range list {
		w[s] = true
	}
	return w
}

// Talk finds the words that a person brings up in a talk. Its lines must be added in order. The
// zero Talk is empty.
type Talk struct{ mine, known map[string]bool }

// Say adds the next line, by the person or by somebody else.
func (t *Talk) Say(text string, person bool) {
	if t.known == nil {
		t.mine, t.known = map[string]bool{}, map[string]bool{}
	}
	for s := range stems(text) {
		if person && !t.known[s] {
			t.mine[s] = true
		}
		t.known[s] = true
	}
}

// Words returns the words that nobody used before the person.
func (t *Talk) Words() Words { return t.mine }

func tokens(text string) iter.Seq[string] {
	return strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '_'
	})
}

// stems returns the words of a text that can show who brought them up.
func stems(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for token := range tokens(text) {
			letters := utf8.RuneCountInString(token)
			switch {
			case unspaced(token):
				runes := []rune(token)
				for i := 0; i+gram <= len(runes); i++ {
					if !yield(string(runes[i : i+gram])) {
						return
					}
				}
			case letters >= shortest:
				if !yield(beginning(token, letters)) {
					return
				}
			}
		}
	}
}

// beginning returns the part of a word that is compared.
func beginning(token string, letters int) string {
	for ; letters > stem; letters-- {
		_, size := utf8.DecodeLastRuneInString(token)
		token = token[:len(token)-size]
	}
	return token
}

// unspaced reports whether a word is in a script without spaces between words.
func unspaced(token string) bool {
	return strings.ContainsFunc(token, func(r rune) bool {
		const first = 'ก' // the first character of all these scripts
		return r >= first && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
	})
}
