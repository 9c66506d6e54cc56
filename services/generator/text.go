package generator

import (
	"strings"
	"unicode"
	"unicode/utf8"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// compose returns the text to send for a draft: with the name of the person it answers and the
// chat's disclaimer, and within Telegram's limit. A draft that is too long is cut after the last
// sentence that fits, because a part is better than no message. It returns "" for an empty draft.
func compose(draft string, where chorusv1.Mention, whom, disclaimer string) string {
	disclaimer = names.Line(names.Text(disclaimer), 0)
	draft = undisclaimed(draft, disclaimer)
	if draft == "" {
		return ""
	}
	var before, after string
	if whom != "" && !mentions(draft, whom) {
		switch where {
		case chorusv1.Mention_MENTION_START:
			before = whom + " "
		case chorusv1.Mention_MENTION_END:
			after = " " + whom
		case chorusv1.Mention_MENTION_UNSPECIFIED:
		}
	}
	if disclaimer != "" {
		after += " " + disclaimer
	}
	return before + fit(draft, telegram.MaxText-telegram.TextLength(before+after)) + after
}

// undisclaimed returns a draft without the disclaimer, which some providers add themselves.
func undisclaimed(draft, disclaimer string) string {
	return strings.TrimSpace(strings.TrimSuffix(names.Text(draft), names.Line(names.Text(disclaimer), 0)))
}

// mentions reports whether a text has a name as a word of its own.
func mentions(text, name string) bool {
	text, name = strings.ToLower(text), strings.ToLower(name)
	for at := 0; ; {
		found := strings.Index(text[at:], name)
		if found < 0 {
			return false
		}
		begin := at + found
		// At the ends of the text, r is RuneError, which is no letter.
		before, _ := utf8.DecodeLastRuneInString(text[:begin])
		after, _ := utf8.DecodeRuneInString(text[begin+len(name):])
		if !partOfWord(before) && !partOfWord(after) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[begin:])
		at = begin + size
	}
}

func partOfWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

// ellipsis marks the end of a text that was cut within a sentence.
const ellipsis = "…"

// fit cuts a text to a length, counted as Telegram does: after a sentence, else after a word, else
// anywhere.
func fit(text string, room int) string {
	if telegram.TextLength(text) <= room {
		return text
	}
	short := beginning(text, room-telegram.TextLength(ellipsis))
	word := strings.LastIndexFunc(short, unicode.IsSpace)
	whole := sentences(short)
	switch {
	case len(whole) > len(short)/2: // an earlier end of a sentence would leave too little
		return whole
	case word > 0:
		return strings.TrimRight(short[:word], " \t\n,;:–-") + ellipsis
	}
	return short + ellipsis
}

// beginning returns the longest beginning of a text of at most maxLength.
func beginning(text string, maxLength int) string {
	length := 0
	for at, r := range text {
		if length += telegram.TextLength(string(r)); length > maxLength {
			return text[:at]
		}
	}
	return text
}
