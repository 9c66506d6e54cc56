package roster

import (
	"regexp"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a cast.
type Problem struct { //nolint:errname // it is a line of an error before it is one
	Path  string // of the field, such as bots[2].persona.tone
	Value string // as it was given, shortened
	Want  string // what is allowed
}

func (p Problem) Error() string { return maskTokens(p.Path + ": " + p.Value + ": " + p.Want) }

// Problems is everything that is wrong with a cast, in its order.
type Problems []Problem //nolint:errname // as above

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Missing is the value of a Problem where nothing is given.
const Missing = "missing"

// Hidden is the value of a Problem where what is given may be a secret.
const Hidden = "(not shown)"

// longestShown is how many characters of a value a problem repeats.
const longestShown = 60

// Quote shows a text on one line, shortened.
func Quote(text string) string {
	if runes := []rune(text); len(runes) > longestShown {
		text = string(runes[:longestShown-1]) + "…"
	}
	return strconv.Quote(text)
}

// maskTokens hides what looks like a bot token. It may have been put into any
// field by mistake.
func maskTokens(text string) string {
	return regexp.MustCompile(`\d{5,}:[A-Za-z0-9_-]{20,}`).ReplaceAllString(text, Hidden)
}
