// Package names cleans the names of people and chats, and texts, before they are stored, shown to a
// model or sent by a bot. It is pure.
package names

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// MaxName limits a name, in characters. It is the length of Telegram's first and last name
	// together.
	MaxName = 129
	// maxMarks limits the non-spacing marks of a letter: scripts need up to three, and more of them
	// cover neighbouring lines.
	maxMarks = 3
)

// Name returns a name as one line of at most MaxName visible characters, or "" if nothing of it is
// visible. Applying it twice changes nothing more.
func Name(s string) string { return Title(s, MaxName) }

// Title is Name with another limit.
func Title(s string, maxLength int) string {
	s = strings.Join(strings.Fields(clean(bounded(s, maxLength), false)), " ")
	s = strings.TrimSpace(cut(s, maxLength))
	if !strings.ContainsFunc(s, seen) {
		return ""
	}
	return s
}

// Text returns a text without invisible characters. Unlike Name it keeps lines, and joiners within
// emoji and within words of scripts that need them. Applying it twice changes nothing more.
func Text(s string) string {
	if plain(s) {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(clean(s, true))
}

// plain reports whether a text is printable ASCII, as most texts are.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c < ' ' && c != '\n' && c != '\t' || c == '\x7f' {
			return false
		}
	}
	return true
}

// bounded cuts a text that is far too long, to save work.
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

// clean composes letters with their marks, so that marks can be counted, and removes invisible
// characters.
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

// usual reports for common characters, fast, that they are visible by themselves.
func usual(r rune) bool {
	return r > ' ' && r < '\x7f' || r > '\u00A0' && r < '\u0300' && r != '\u00AD' || r >= '\u0400' && r < '\u0483' ||
		r >= '\u4E00' && r <= '\u9FFF' || r >= '\uAC00' && r <= '\uD7A3'
}

// blank reports characters that look empty, or like a space, although they are letters or symbols:
// the fillers of Hangul and Khitan, the blank of Braille, a note without a head.
func blank(r rune) bool {
	switch r {
	case '\u115F', '\u1160', '\u3164', '\uFFA0', '\u2800', '\U00016FE4', '\U0001D159':
		return true
	}
	return false
}

// Invisible reports whether a character is invisible: controls of direction, width and format,
// tags, variation selectors, fillers.
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

// joins reports whether the invisible character at i is needed: a joiner between two characters
// that are not Latin, or the selector that makes a symbol an emoji. out holds the characters kept
// before it.
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

// joined reports whether joiners are used with a character.
func joined(r rune) bool {
	if r == emojiSelector {
		return true
	}
	return r >= utf8.RuneSelf && !Invisible(r) && !unicode.Is(unicode.Latin, r) && unicode.In(r, unicode.L, unicode.M, unicode.So, unicode.Sk)
}

// seen reports whether a character is visible by itself.
func seen(r rune) bool {
	return r != utf8.RuneError && unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S)
}
