package prompt

import (
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/names"
)

// What a prompt shows of one text, in characters.
const (
	maxOfLine     = 400
	maxOfName     = 64
	maxOfHeadline = 240
	maxOfText     = 4000
)

func functions() template.FuncMap {
	return template.FuncMap{
		"line":       line,
		"lines":      lines,
		"text":       func(s string) string { return oneLine(s, maxOfText) },
		"headline":   func(s string) string { return oneLine(s, maxOfHeadline) },
		"list":       list,
		"sentences":  sentences, // of the templates of others
		"habits":     habits,
		"confidence": confidence,
		"temper":     temper,
		"moment":     moment,
	}
}

func line(l any) (string, error) {
	switch v := l.(type) {
	case script.Line:
		return shown(v), nil
	case *script.Line:
		return shown(*v), nil
	}
	return "", fmt.Errorf("%T is not a line", l)
}

// lines does for all at once, and sooner, what a loop does with line.
func lines(all []script.Line) string {
	each := make([]string, len(all))
	for i, m := range all {
		each[i] = shown(m)
	}
	return strings.Join(each, "\n")
}

// shown is one message on one line. It begins with who wrote it, which no name can
// change; it can't end the block that it stands in, nor begin a line that looks like
// another member's.
func shown(m script.Line) string {
	// A name with a colon in it could look like another's name and words.
	author := oneLine(strings.ReplaceAll(names.Sayable(m.Author), ":", " "), maxOfName)
	if author == "" {
		author = "Somebody"
	}
	mark := m.Mark
	if mark == "" {
		mark = "person"
		if m.FromBot {
			mark = "bot"
		}
	}
	return "[" + mark + "] " + author + ": " + oneLine(m.Text, maxOfLine)
}

// oneLine shows a text on one line, without what could pass for a tag and what
// people can't see: models read invisible characters all the same.
func oneLine(s string, maxLength int) string {
	if len(s) <= maxLength && plain(s) {
		return s
	}
	s = strings.NewReplacer("<", "‹", ">", "›").Replace(names.Text(s))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxLength {
		s = string(runes[:maxLength]) + "…"
	}
	return s
}

// plain tells whether a text is on one line already: letters, marks and numbers of
// ASCII, with a space between words. Most are, and need not be rewritten.
func plain(s string) bool {
	space := true // so that there is none at the beginning
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c >= '\x7f' || c == '<' || c == '>' || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return !space || s == ""
}

func list(items []string, separator string) string {
	clean := make([]string, len(items))
	for i, s := range items {
		clean[i] = oneLine(s, maxOfLine)
	}
	return strings.Join(clean, separator)
}

func sentences(l script.Length) string {
	switch l {
	case script.Short:
		return "one or two short sentences"
	case script.Long:
		return "three or four sentences"
	case script.Medium:
	}
	return "two or three sentences"
}

func confidence(c float64) string {
	switch {
	case c >= 0.8:
		return "firmly"
	case c >= 0.5:
		return "rather"
	}
	return "not sure of it"
}

// temper puts the emotion profile into words.
func temper(p script.Persona) string {
	words := func(value float64, low, middle, high string) string {
		switch {
		case value < 0.35:
			return low
		case value > 0.65:
			return high
		}
		return middle
	}
	return words(p.Energy, "calm", "even", "lively") + ", " +
		words(p.Empathy, "keeps feelings at a distance", "notices what others feel", "is easily moved by what others feel")
}

// moment is the time of day in words; "" if there is none.
func moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	part := "night"
	switch h := at.Hour(); {
	case h >= 5 && h < 11:
		part = "morning"
	case h >= 11 && h < 14:
		part = "midday"
	case h >= 14 && h < 18:
		part = "afternoon"
	case h >= 18 && h < 23:
		part = "evening"
	}
	return fmt.Sprintf("%s %s, %s", at.Weekday(), part, at.Format("15:04"))
}
