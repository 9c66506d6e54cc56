package world

import "github.com/chorus-cast/chorus/services/lab/emulator/markup"

// MaxText is the longest text of a message, in UTF-16 code units.
const MaxText = 4096

// Content is what a message holds.
type Content struct {
	Text     string          `json:"text,omitempty"`
	Entities []markup.Entity `json:"entities,omitempty"`
}

// check tells what is wrong with it.
func (c Content) check() error { return checkText(c.Text) }

// kind is what Telegram calls it where it is forbidden.
func (Content) kind() string { return "text messages" }

// Shown is the content in words.
func (c Content) Shown() string { return c.Text }

func checkText(text string) error {
	if text == "" {
		return badRequest("message text is empty")
	}

	if markup.Len(text) > MaxText {
		return badRequest("message is too long")
	}

	return nil
}
