package incoming

import (
	"cmp"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// These limits are in characters. Telegram's own are the same or lower.
const (
	maxText  = 4096
	maxTitle = 255
	// maxMarks limits the entities of a text that are read.
	maxMarks = 100
)

// clean returns a text that the database accepts, with visible characters only, and at most
// maxRunes of them.
func clean(s string, maxRunes int) string {
	// A text that is far too long is cut first, to limit the work.
	if len(s) > maxRunes*utf8.UTFMax*2 {
		s = s[:maxRunes*utf8.UTFMax*2]
	}
	s = names.Text(s)
	if utf8.RuneCountInString(s) > maxRunes {
		s = strings.TrimSpace(string([]rune(s)[:maxRunes]))
	}
	return s
}

// nobody replaces a name that is invisible or contains an address. A bot must not repeat
// such a name.
const nobody = "Somebody"

func person(u *wireUser) Person {
	if u == nil || u.ID <= 0 {
		return Person{}
	}
	p := Person{ID: u.ID, Bot: u.IsBot, Username: names.Username(u.Username)}
	p.Name = cmp.Or(names.Sayable(names.Name(u.FirstName)+" "+names.Name(u.LastName)), p.Username, nobody)
	return p
}

// readEntities reads the mentions and the command of a text. Offsets count UTF-16 code units of
// the original text.
func (u *Update) readEntities(text string, entities []wireEntity) {
	if len(entities) == 0 {
		return
	}
	units := utf16.Encode([]rune(text))
	for _, e := range entities[:min(len(entities), maxMarks)] {
		if e.Offset < 0 || e.Length <= 0 || e.Offset > len(units) || e.Length > len(units)-e.Offset {
			continue
		}
		part := string(utf16.Decode(units[e.Offset : e.Offset+e.Length]))
		switch e.Type {
		case "mention":
			u.mention(part)
		case "text_mention":
			if e.User != nil && e.User.ID > 0 {
				u.Mentions = append(u.Mentions, Mention{ID: e.User.ID})
			}
		case "bot_command":
			rest := string(utf16.Decode(units[e.Offset+e.Length:]))
			u.command(part, rest, e.Offset == 0)
		}
	}
}

// commandForm matches Telegram's form of a command.
var commandForm = regexp.MustCompile(`^/([A-Za-z0-9_]{1,64})(?:@([A-Za-z0-9_]{3,64}))?$`)

// command reads a command. It is the message's command if the text begins with it. A path
// such as /etc/passwd is no command, even if it is marked as one.
func (u *Update) command(part, rest string, first bool) {
	form := commandForm.FindStringSubmatch(part)
	if form == nil || strings.HasPrefix(rest, "/") {
		return
	}
	u.mention(form[2])
	if first {
		u.Command = &Command{Name: strings.ToLower(form[1]), Bot: form[2], Argument: names.Title(rest, maxText)}
	}
}

func (u *Update) mention(who string) {
	if name := names.Username(who); name != "" {
		u.Mentions = append(u.Mentions, Mention{Username: name})
	}
}

// Asks tells whether a text contains a question mark of any script.
func Asks(text string) bool { return strings.ContainsAny(text, "?？؟՞\u037e⸮") }
