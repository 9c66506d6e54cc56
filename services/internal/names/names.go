// Package names cleans what people call themselves and their chats, before it is
// stored, shown to a model or said by a bot. It is pure.
package names

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// MaxName limits how long a name is, in characters. Telegram's first and last
	// name together are as long.
	MaxName = 129
	// maxMarks limits how many non-spacing marks a letter keeps: scripts need up to three,
	// and more of them cover the lines around.
	maxMarks = 3
)

// Name gives a name as one line of at most MaxName characters that can be seen,
// or "" where nothing of it can. What it gives stays as it is when it is cleaned
// again.
func Name(s string) string { return Title(s, MaxName) }

// Title is Name with a bound of its own.
func Title(s string, maxLength int) string {
	s = strings.Join(strings.Fields(clean(bounded(s, maxLength), false)), " ")
	s = strings.TrimSpace(cut(s, maxLength))
	if !strings.ContainsFunc(s, seen) {
		return ""
	}
	return s
}

// Text gives a text without what can't be seen. Unlike a name it keeps its lines,
// and the joiners within emoji and within words of scripts that need them. What it
// gives stays as it is when it is cleaned again.
func Text(s string) string {
	if plain(s) {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(clean(s, true))
}

// plain tells whether a text has nothing but what ASCII can show, which is most.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c < ' ' && c != '\n' && c != '\t' || c == '\x7f' {
			return false
		}
	}
	return true
}

// bounded cuts what is far too long, so that it costs little.
func bounded(s string, maxLength int) string {
	const slack = 8
	if limit := maxLength * utf8.UTFMax * slack; len(s) > limit {
		return s[:limit]
	}
	return s
}

func cut(s string, maxLength int) string {
	n := 0
	for at := range s {
		if n == maxLength {
			return s[:at]
		}
		n++
	}
	return s
}

// clean composes letters with their marks, so that it is known how many there are,
// and leaves out what can't be seen.
func clean(s string, text bool) string {
	in := []rune(norm.NFC.String(strings.ToValidUTF8(s, "")))
	out := make([]rune, 0, len(in))
	marks := 0
	for i, r := range in {
		switch {
		case usual(r):
		case text && (r == '\n' || r == '\t'):
		case r == '\r':
			continue
		case unicode.IsSpace(r), blank(r):
			r = ' '
		case text && joins(in, i, out):
			out = append(out, r)
			continue
		case Invisible(r), !unicode.IsGraphic(r) && !(text && unassigned(r)):
			continue
		case unicode.In(r, unicode.Mn, unicode.Me):
			if marks++; marks > maxMarks || len(out) == 0 || unicode.IsSpace(out[len(out)-1]) {
				continue
			}
			out = append(out, r)
			continue
		}
		marks = 0
		out = append(out, r)
	}
	return norm.NFC.String(string(out))
}

// usual tells at once of most characters that they are letters or signs by
// themselves.
func usual(r rune) bool {
	return r > ' ' && r < '\x7f' || r > '\u00A0' && r < '\u0300' && r != '\u00AD' || r >= '\u0400' && r < '\u0483' ||
		r >= '\u4E00' && r <= '\u9FFF' || r >= '\uAC00' && r <= '\uD7A3'
}

// Characters that look like nothing, or like a space, although they count as
// letters or symbols: the fillers of Hangul and Khitan, the blank of Braille, a
// note without a head.
func blank(r rune) bool {
	switch r {
	case '\u115F', '\u1160', '\u3164', '\uFFA0', '\u2800', '\U00016FE4', '\U0001D159':
		return true
	}
	return false
}

// Invisible tells whether a character can't be seen: controls of direction, width
// and format, tags, variation selectors, fillers.
func Invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Cc, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) || blank(r)
}

// unassigned characters may be emoji that are newer than this program.
func unassigned(r rune) bool {
	return !unicode.In(r, unicode.C) && r != utf8.RuneError
}

const (
	zeroWidthNonJoiner = '\u200C'
	zeroWidthJoiner    = '\u200D'
	emojiSelector      = '\uFE0F'
)

// joins tells whether the invisible character at i is needed: a joiner between two
// characters that are not Latin, or the sign that makes a symbol an emoji. Out is
// what was kept before it.
func joins(in []rune, i int, out []rune) bool {
	if len(out) == 0 {
		return false
	}
	before := out[len(out)-1]
	switch in[i] {
	case emojiSelector:
		return before < utf8.RuneSelf && unicode.In(before, unicode.Nd, unicode.Po) || unicode.In(before, unicode.So, unicode.Sm, unicode.Sk)
	case zeroWidthJoiner, zeroWidthNonJoiner:
		return i+1 < len(in) && joined(before) && joined(in[i+1]) && in[i+1] != emojiSelector
	}
	return false
}

// joined tells whether a character is one that joiners are used with.
func joined(r rune) bool {
	if r == emojiSelector {
		return true
	}
	return r >= utf8.RuneSelf && !Invisible(r) && !unicode.Is(unicode.Latin, r) && unicode.In(r, unicode.L, unicode.M, unicode.So, unicode.Sk)
}

// seen tells whether a character can be seen by itself.
func seen(r rune) bool {
	return r != utf8.RuneError && unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S)
}
