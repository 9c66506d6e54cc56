package incoming

import (
	"cmp"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// Bounds of what is kept, in characters. Telegram's own are as long, or shorter.
const (
	maxText  = 4096
	maxTitle = 255
	// maxMarks is how many entities of a text are looked at.
	maxMarks = 100
)

// clean makes a text that a database takes and everybody can see all of: of at most
// so many characters.
func clean(s string, maxRunes int) string {
	// What is far too long is cut before it is looked at.
	if len(s) > maxRunes*utf8.UTFMax*2 {
		s = s[:maxRunes*utf8.UTFMax*2]
	}
	s = names.Text(s)
	if utf8.RuneCountInString(s) > maxRunes {
		s = strings.TrimSpace(string([]rune(s)[:maxRunes]))
	}
	return s
}

// nobody is what somebody is called whose name can't be seen or has an address,
// which a bot must not repeat.
const nobody = "Somebody"

func person(u *wireUser) Person {
	if u == nil || u.ID <= 0 {
		return Person{}
	}
	p := Person{ID: u.ID, Bot: u.IsBot, Username: names.Username(u.Username)}
	p.Name = cmp.Or(names.Sayable(names.Name(u.FirstName)+" "+names.Name(u.LastName)), p.Username, nobody)
	return p
}

// marks reads whom a text names and whether it is a command. Offsets count UTF-16
// code units of the text as it came.
func (u *Update) marks(text string, entities []wireEntity) {
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

// commandForm is what Telegram takes for a command.
var commandForm = regexp.MustCompile(`^/([A-Za-z0-9_]{1,64})(?:@([A-Za-z0-9_]{3,64}))?$`)

// command reads a command, which is all of a text if it begins with it. A path such
// as /etc/passwd is none, whoever marks it as one.
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

// Asks tells whether a text asks something.
func Asks(text string) bool { return strings.ContainsAny(text, "?？؟՞\u037e⸮") }
