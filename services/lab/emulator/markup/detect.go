package markup

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	emailPattern   = regexp.MustCompile(`(?i)[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+`)
	urlPattern     = regexp.MustCompile(`(?i)\b(?:https?://[^\s<>"]+|(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|me|app|info|example)\b(?:/[^\s<>"]*)?)`)
	mentionPattern = regexp.MustCompile(`@[A-Za-z0-9_]{3,32}\b`)
	commandPattern = regexp.MustCompile(`/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?\b`)
	hashtagPattern = regexp.MustCompile(`#[\p{L}\p{N}_]*[\p{L}_][\p{L}\p{N}_]*`)
	cashtagPattern = regexp.MustCompile(`\$[A-Z]{1,8}\b`)
)

type finder struct {
	kind    string
	pattern *regexp.Regexp
}

// finders are tried in this order; what one has found is closed to the next.
func finders() []finder {
	return []finder{
		{"email", emailPattern},
		{"url", urlPattern},
		{"mention", mentionPattern},
		{"bot_command", commandPattern},
		{"hashtag", hashtagPattern},
		{"cashtag", cashtagPattern},
	}
}

// detect finds the special parts that lie outside of the given entities that
// don't allow them. Its time grows with the text only, so that no text however
// long holds up a server.
func detect(t Text) []Entity {
	if !strings.ContainsAny(t.Plain, "@/#$.:") {
		return nil
	}
	var found []Entity
	closed := closedUnits(t)
	for _, f := range finders() {
		units, counted := 0, 0 // UTF-16 units in the bytes counted
		for _, at := range f.pattern.FindAllStringIndex(t.Plain, -1) {
			start, end := at[0], at[1]
			if f.kind == "url" {
				end = start + len(strings.TrimRight(t.Plain[start:end], ".,;:!?)'\""))
			}
			units += Len(t.Plain[counted:start])
			counted = start
			e := Entity{Type: f.kind, Offset: units, Length: Len(t.Plain[start:end])}
			covered := closed[e.Offset : e.Offset+e.Length]
			if !stands(t.Plain[:start], t.Plain[end:], f.kind) || slices.Contains(covered, true) {
				continue
			}
			found = append(found, e)
			for i := range covered {
				covered[i] = true
			}
		}
	}
	return found
}

// closedUnits tells which UTF-16 units lie in entities that allow no others.
func closedUnits(t Text) []bool {
	size := Len(t.Plain)
	changes := make([]int, size+1) // of the number of such entities, at a unit
	for _, e := range t.Entities {
		if opaque(e.Type) {
			changes[e.Offset]++
			changes[e.Offset+e.Length]--
		}
	}
	closed, open := make([]bool, size), 0
	for i := range closed {
		open += changes[i]
		closed[i] = open > 0
	}
	return closed
}

func opaque(kind string) bool {
	switch kind {
	case "code", "pre", "text_link", "text_mention", "mention", "bot_command", "url", "hashtag", "cashtag", "email":
		return true
	default:
		return false
	}
}

// stands reports whether the text between before and after is a whole word. As in TDLib, a
// command has no slash or angle bracket beside it.
func stands(before, after, kind string) bool {
	r, size := utf8.DecodeLastRuneInString(before)
	if size > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_') {
		return false
	}
	next, _ := utf8.DecodeRuneInString(after)
	return kind != "bot_command" || !(strings.ContainsRune("/<>", r) || strings.ContainsRune("/<>", next))
}
