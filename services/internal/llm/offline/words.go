package offline

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/voice"
)

// words splits a text into runs of letters, marks, digits and inner
// apostrophes, in lower case.
func words(s string) []string { return appendWords(make([]string, 0, len(s)/4+1), s) }

func appendWords(all []string, s string) []string {
	for f := range strings.FieldsFuncSeq(strings.ReplaceAll(strings.ToLower(voice.Whole(s)), "’", "'"), betweenWords) {
		if f = strings.Trim(f, "'"); f != "" {
			all = append(all, f)
		}
	}
	return all
}

func betweenWords(r rune) bool {
	if r < utf8.RuneSelf {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '\''
	}
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
}

// normal is a text for comparison: its words with single spaces.
func normal(s string) string { return strings.Join(words(s), " ") }

// stem cuts a word to what its forms have in common, roughly.
func (l *language) stem(w string) string {
	w = strings.TrimSuffix(strings.ReplaceAll(w, "’", "'"), "'s")
	for _, s := range l.lexicon.Suffixes {
		if root := strings.TrimSuffix(w, s); root != w && utf8.RuneCountInString(root) >= 3 {
			return root
		}
	}
	return w
}

// contentStems are the stems of the words that carry meaning, each once.
func (l *language) contentStems(s string) []string { return l.stems(words(s)) }

func (l *language) stems(words []string) []string {
	var stems []string
	for _, w := range words {
		if l.content(w) {
			stems = with(stems, l.stem(w))
		}
	}
	return stems
}

// with adds a stem to stems that lack it.
func with(stems []string, stem string) []string {
	if slices.Contains(stems, stem) {
		return stems
	}
	return append(stems, stem)
}

func (l *language) content(w string) bool {
	return utf8.RuneCountInString(w) >= 3 && !l.stop[w]
}

// capitalise makes the first letter a capital, past quotes and brackets.
func capitalise(s string) string {
	for i, r := range s {
		if unicode.IsLetter(r) {
			return s[:i] + string(unicode.ToUpper(r)) + s[i+utf8.RuneLen(r):]
		}
		if unicode.IsDigit(r) {
			return s
		}
	}
	return s
}

// clause makes a foreign sentence fit into the middle of one of ours: its
// first sentence, without its full stop, and without its capital where the
// first word is known not to be a name.
func (l *language) clause(s string) string {
	s = oneLine(s)
	if ends := sentenceEnds(s); len(ends) > 0 {
		s = s[:ends[0]]
	}
	s = strings.TrimRight(s, " .!?…;,")
	first, _, _ := strings.Cut(s, " ")
	if lower := strings.ToLower(first); (l.stop[lower] || l.common[lower]) && lower != "i" && !strings.HasPrefix(lower, "i'") {
		return lower + s[len(first):]
	}
	return s
}

// oneLine removes control and format characters and folds white space.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) && !strings.Contains(s, "  ") {
		return strings.Trim(s, " ")
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, unicode.Is(unicode.C, r):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// sentenceEnds are the byte offsets behind each sentence of s.
func sentenceEnds(s string) []int {
	var ends []int
	for i, r := range s {
		if r != '.' && r != '!' && r != '?' && r != '…' {
			continue
		}
		end := i + utf8.RuneLen(r)
		for end < len(s) && strings.ContainsRune(`"'”’)`, runeAt(s, end)) {
			end += utf8.RuneLen(runeAt(s, end))
		}
		if end >= len(s) || s[end] == ' ' {
			ends = append(ends, end)
		}
	}
	return ends
}

func runeAt(s string, i int) rune {
	r, _ := utf8.DecodeRuneInString(s[i:])
	return r
}

// givenName is how a line addresses the author: the first word of the name,
// with the second where the first is a title, or "" where that is no plain name.
func (l *language) givenName(author string) string {
	name := strings.Fields(strings.TrimLeft(oneLine(author), "@"))
	if len(name) == 0 || l.stop[strings.ToLower(name[0])] {
		return ""
	}
	given := name[:1]
	if len(name) > 1 && slices.Contains(l.lexicon.Titles, strings.ToLower(strings.TrimSuffix(name[0], "."))) {
		given = name[:2]
	}
	for i, w := range given {
		if !isName(w) {
			return ""
		}
		given[i] = capitalise(w)
	}
	return strings.Join(given, " ")
}

func isName(w string) bool {
	n := 0
	for i, r := range strings.TrimSuffix(w, ".") {
		n++
		if i == 0 && !unicode.IsLetter(r) {
			return false
		}
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && r != '-' && r != '\'' && r != '’' {
			return false
		}
	}
	return n >= 2 && n <= 20
}
