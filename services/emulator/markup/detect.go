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
// don't allow them.
func detect(t Text) []Entity {
	if !strings.ContainsAny(t.Plain, "@/#$.:") {
		return nil
	}

	closed := slices.DeleteFunc(slices.Clone(t.Entities), func(e Entity) bool { return !opaque(e.Type) })

	var found []Entity

	for _, f := range finders() {
		for _, at := range f.pattern.FindAllStringIndex(t.Plain, -1) {
			start, end := at[0], at[1]

			if f.kind == "url" {
				end = start + len(strings.TrimRight(t.Plain[start:end], ".,;:!?)'\""))
			}

			e := Entity{Type: f.kind, Offset: Len(t.Plain[:start]), Length: Len(t.Plain[start:end])}

			if !stands(t.Plain[:start], f.kind) || slices.ContainsFunc(closed, e.overlaps) {
				continue
			}

			found = append(found, e)
			closed = append(closed, e)
		}
	}

	return found
}

func (e Entity) overlaps(o Entity) bool {
	return e.Offset < o.Offset+o.Length && o.Offset < e.Offset+e.Length
}

func opaque(kind string) bool {
	switch kind {
	case "code", "pre", "text_link", "text_mention", "mention", "bot_command", "url", "hashtag", "cashtag", "email":
		return true
	default:
		return false
	}
}

// stands tells whether what follows before is a word of its own.
func stands(before, kind string) bool {
	r, _ := utf8.DecodeLastRuneInString(before)
	if before == "" {
		return true
	}

	if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' {
		return false
	}

	return kind != "bot_command" || (r != '/' && r != '<')
}
