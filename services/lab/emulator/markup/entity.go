// Package markup turns a message's text with HTML, Markdown or MarkdownV2 markup into plain
// text and entities. It returns Telegram's errors for markup that doesn't balance, and finds
// mentions, commands, addresses and hashtags in plain text.
package markup

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Entity is a formatted or special part of a text. Offset and Length count
// UTF-16 code units, as everywhere in the Bot API.
type Entity struct {
	Type          string `json:"type"`
	Offset        int    `json:"offset"`
	Length        int    `json:"length"`
	URL           string `json:"url,omitempty"`
	User          *User  `json:"user,omitempty"`
	Language      string `json:"language,omitempty"`
	CustomEmojiID string `json:"custom_emoji_id,omitempty"`
}

// User is the account a text_mention entity points to.
type User struct {
	ID        int64  `json:"id"`
	IsBot     bool   `json:"is_bot"`
	FirstName string `json:"first_name"`
	Username  string `json:"username,omitempty"`
}

// Text is plain text with its entities, sorted by offset, outer ones first.
type Text struct {
	Plain    string
	Entities []Entity
}

// ErrMode reports a parse mode other than HTML, Markdown and MarkdownV2.
var ErrMode = errors.New("unsupported parse_mode")

// SyntaxError is text whose markup can't be read. Its message is Telegram's,
// without the leading "can't parse entities: ".
type SyntaxError struct{ Reason string }

func (e *SyntaxError) Error() string { return e.Reason }

// Parse reads text in a parse mode: "" (plain), "HTML", "Markdown" or
// "MarkdownV2", in any case. Markup is removed, surrounding white space is
// trimmed, and special parts outside of code and links become entities too.
// The error is ErrMode or a *SyntaxError.
func Parse(text, mode string) (Text, error) {
	var (
		parsed Text
		err    error
	)
	switch strings.ToLower(mode) {
	case "", "none":
		parsed = Text{Plain: text}
	case "html":
		parsed, err = parseHTML(text)
	case "markdown":
		parsed, err = parseMarkdown(text)
	case "markdownv2":
		parsed, err = parseMarkdownV2(text)
	default:
		err = ErrMode
	}
	if err != nil {
		return Text{}, err
	}
	return finish(parsed), nil
}

// With returns plain text with entities that the sender gave. Entities outside
// of the text or of no length are dropped.
func With(text string, given []Entity) Text {
	size := Len(text)
	kept := make([]Entity, 0, len(given))
	for _, e := range given {
		if e.Length > 0 && e.Offset >= 0 && e.Length <= size-e.Offset {
			kept = append(kept, e)
		}
	}
	return finish(Text{Plain: text, Entities: kept})
}

// Len counts the UTF-16 code units of a text.
func Len(text string) int {
	n := 0
	for _, r := range text {
		n += width(r)
	}
	return n
}

func width(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

func finish(t Text) Text {
	t = trim(t)
	t.Entities = append(t.Entities, detect(t)...)
	slices.SortStableFunc(t.Entities, func(a, b Entity) int {
		if a.Offset != b.Offset {
			return a.Offset - b.Offset
		}
		return b.Length - a.Length
	})
	return t
}

// trim removes white space around the text and moves the entities along.
func trim(t Text) Text {
	left := strings.TrimLeftFunc(t.Plain, unicode.IsSpace)
	cut := Len(t.Plain[:len(t.Plain)-len(left)])
	t.Plain = strings.TrimRightFunc(left, unicode.IsSpace)
	size := Len(t.Plain)
	kept := make([]Entity, 0, len(t.Entities))
	for _, e := range t.Entities {
		start := max(e.Offset-cut, 0)
		end := min(e.Offset+e.Length-cut, size)
		if end > start {
			e.Offset, e.Length = start, end-start
			kept = append(kept, e)
		}
	}
	t.Entities = kept
	return t
}

// writer collects plain text and counts its UTF-16 units.
type writer struct {
	text     strings.Builder
	units    int
	entities []Entity
}

// copyRune writes the rune that s starts with and returns its size in bytes.
func (w *writer) copyRune(s string) int {
	r, size := utf8.DecodeRuneInString(s)
	w.text.WriteString(s[:size])
	w.units += width(r)
	return size
}

func (w *writer) copyAll(s string) {
	for len(s) > 0 {
		s = s[w.copyRune(s):]
	}
}

// add notes an entity that began at a unit and ends here.
func (w *writer) add(e Entity, start int) {
	if e.Length = w.units - start; e.Length > 0 {
		e.Offset = start
		w.entities = append(w.entities, e)
	}
}

func (w *writer) result() Text {
	return Text{Plain: w.text.String(), Entities: w.entities}
}
