package incoming

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what is kept, in characters. Telegram's own are as long, or shorter.
const (
	maxText     = 4096
	maxTitle    = 255
	maxName     = 256
	maxUsername = 64
	maxEmoji    = 16
	// maxMarks is how many entities of a text are looked at.
	maxMarks = 100
)

// clean makes a text that a database takes and a line can hold: no control
// characters but the end of a line, nothing around it, at most so many characters.
func clean(s string, most int) string {
	// What is far too long is cut before it is looked at.
	if len(s) > most*utf8.UTFMax*2 {
		s = s[:most*utf8.UTFMax*2]
	}
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) > most {
		s = strings.TrimSpace(string([]rune(s)[:most]))
	}
	return s
}

// line is a name in one line: with more it could pretend to be more than a name.
func line(s string) string {
	return clean(strings.Join(strings.Fields(clean(s, maxName)), " "), maxName)
}

// Telegram's accounts for those who write as a chat: an administrator as the
// group, or anybody as a channel of theirs.
const (
	groupAnonymous = 1087968824
	channelBot     = 136817688
)

// author is who wrote a message.
func author(m *wireMessage) Person {
	if m.From == nil {
		return Person{}
	}
	p := person(m.From)
	if m.SenderChat == nil || p.ID != groupAnonymous && p.ID != channelBot {
		return p
	}
	// Behind these bots are people.
	p.Bot, p.Username = false, ""
	p.Name = cmp.Or(line(m.SenderChat.Title), p.Name)
	p.Anonymous = p.ID == groupAnonymous && m.SenderChat.ID == m.Chat.ID
	return p
}

func person(u *wireUser) Person {
	if u.ID <= 0 {
		return Person{}
	}
	p := Person{ID: u.ID, Bot: u.IsBot, Username: username(u.Username)}
	p.Name = cmp.Or(line(line(u.FirstName)+" "+line(u.LastName)), p.Username, "Somebody")
	return p
}

// username is empty for what is none: Telegram's have only these characters.
func username(s string) string {
	s = strings.TrimPrefix(s, "@")
	bad := strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	})
	if bad || len(s) > maxUsername {
		return ""
	}
	return s
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
			name, bot, _ := strings.Cut(strings.TrimPrefix(part, "/"), "@")
			u.mention(bot)
			if e.Offset == 0 {
				rest := string(utf16.Decode(units[e.Length:]))
				u.Command = &Command{Name: strings.ToLower(name), Bot: username(bot), Argument: line(rest)}
			}
		}
	}
}

func (u *Update) mention(who string) {
	if name := username(who); name != "" {
		u.Mentions = append(u.Mentions, Mention{Username: name})
	}
}

// Asks tells whether a text asks something.
func Asks(text string) bool { return strings.ContainsAny(text, "?？؟՞\u037e⸮") }
