package world

import (
	"encoding/base64"
	"strings"

	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
)

// MaxText is the longest text of a message, in UTF-16 code units.
const MaxText = 4096

// Content is the content of a message.
type Content struct {
	Text     string          `json:"text,omitempty"`
	Entities []markup.Entity `json:"entities,omitempty"`
	// Sticker is the id of a sticker's file, where there is no text.
	Sticker string `json:"sticker,omitempty"`
}

// check returns an error for invalid content.
func (c Content) check() error {
	if c.Sticker != "" {
		return checkSticker(c.Sticker)
	}
	return checkText(c.Text)
}

// kind returns Telegram's name of the content, as its refusals use it.
func (c Content) kind() string {
	if c.Sticker != "" {
		return "stickers"
	}
	return "text messages"
}

// Shown is the content in words.
func (c Content) Shown() string {
	if c.Sticker != "" {
		return "[sticker]"
	}
	return c.Text
}

// The first and the last byte of the id of a sticker's file: its type, and the version of
// the format.
const (
	stickerType = 8
	fileFormat  = 4
	minFileID   = 20 // bytes; some have more
)

// checkSticker returns an error for an id that can't be a sticker's file. The emulator has no
// files, so it accepts every other id.
func checkSticker(id string) error {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	switch {
	case strings.Contains(id, "."):
		return badRequest("wrong file identifier/HTTP URL specified")
	case err != nil:
		return badRequest("wrong remote file identifier specified: wrong padding in the string")
	case raw[len(raw)-1] != fileFormat:
		return badRequest("wrong remote file identifier specified: can't unserialize it. Wrong last symbol")
	case len(raw) < minFileID:
		return badRequest("wrong remote file identifier specified: can't unserialize it")
	case raw[0] != stickerType:
		return badRequest("wrong file identifier/HTTP URL specified")
	}
	return nil
}

func checkText(text string) error {
	if text == "" {
		return badRequest("message text is empty")
	}
	if markup.Len(text) > MaxText {
		return badRequest("message is too long")
	}
	return nil
}
