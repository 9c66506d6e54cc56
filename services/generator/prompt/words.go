package prompt

import (
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/names"
)

// The limits for one text in a prompt, in characters.
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
		"sentences":  sentences, // not used by our templates; custom ones may use it
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

// lines renders many lines, faster than a loop with line in a template.
func lines(all []script.Line) string {
	each := make([]string, len(all))
	for i, m := range all {
		each[i] = shown(m)
	}
	return strings.Join(each, "\n")
}

// shown renders a message on one line. It begins with the author's mark, which no name can change.
// It can't end the block it is in, or start a line that looks like another member's.
func shown(m script.Line) string {
	// With a colon, a name could look like another name and words.
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

// oneLine returns a text on one line, without anything that could pass for a tag and without
// invisible characters: models read those, too.
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

// plain reports whether a text needs no change: letters, punctuation and numbers of ASCII with
// single spaces between words. Most texts need none.
func plain(s string) bool {
	space := true // none at the beginning
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

// temper describes the emotion profile in words.
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

// moment describes the time of day; "" for the zero time.
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
