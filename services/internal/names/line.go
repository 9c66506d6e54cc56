package names

import (
	"strings"
	"unicode"
)

// Line returns a machine's text, such as an error, as one line of at most limit characters, without
// characters that a database or a terminal can't take; 0 means no limit.
func Line(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return Cut(strings.Join(strings.Fields(s), " "), limit)
}

// Cut returns the beginning of a text: at most limit characters, with … as the last if something is
// left out; 0 means no limit.
func Cut(s string, limit int) string {
	if limit == 0 || len(s) <= limit {
		return s
	}
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}
