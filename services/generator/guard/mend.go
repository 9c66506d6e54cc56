package guard

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/chorus-cast/chorus/services/internal/llm/thoughts"
)

func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || r == '\'' || r == '’'
}

var (
	pairs  = regexp.MustCompile("(\\*\\*|__|~~|`+|\\*)([^*_`~\n]+)(\\*\\*|__|~~|`+|\\*)")
	heads  = regexp.MustCompile(`(?m)^\s*(?:#{1,6}|>|[-*•]|\d{1,2}[.)])\s+`)
	tags   = regexp.MustCompile(`</?[a-zA-Z][^>]*>`)
	breaks = regexp.MustCompile(`\s*\n\s*`)
)

// Mend removes from a draft what can be removed without a change of its content: a speaker's name,
// markup, quotation marks around the whole. It doesn't shorten or add anything. A draft without an
// objection stays as it is; the caller must check any other result again.
func Mend(d Draft) string {
	text := visible(d.Text)
	if thoughts.In(text) || Check(d) == nil {
		return text // without their marks, thoughts would look like a text
	}
	for range 3 { // they may be nested
		before := text
		if strings.ContainsRune(text, ':') {
			first := Draft{Text: firstLine(text), Scene: d.Scene}
			if roleLabel(&first) != "" {
				_, text, _ = strings.Cut(text, ":")
				text = strings.TrimLeft(strings.TrimSpace(text), "*_")
			}
		}
		text = pairs.ReplaceAllString(text, "$2")
		text = heads.ReplaceAllString(text, "")
		text = tags.ReplaceAllString(text, "")
		text = breaks.ReplaceAllString(strings.TrimSpace(text), " ")
		if inner := []rune(text); quoted(&Draft{Text: text}) != "" {
			text = strings.TrimSpace(string(inner[1 : len(inner)-1]))
		}
		if text == before {
			break
		}
	}
	return text
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
