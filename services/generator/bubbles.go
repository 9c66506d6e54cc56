package generator

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxBubbles limits the messages that one text is sent as.
	maxBubbles = 3
	// perBubble is the time reserved for each message's wait for its chat's limits, without typing.
	perBubble = 5 * time.Second
	// minRepeated is the number of words from which a line that becomes a message of its own is
	// compared with earlier texts. Shorter lines aren't: people, too, say "yes, exactly" again.
	minRepeated = 4
)

// bubbles splits a text into the messages it is sent as, one for each line. Lines beyond maxBubbles
// are added to the last message, and a line of punctuation alone to the line before it.
func bubbles(text string) []string {
	var parts []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case len(parts) > 0 && (len(parts) == maxBubbles || !says(line)):
			parts[len(parts)-1] += "\n" + line
		default:
			parts = append(parts, line)
		}
	}
	return parts
}

// says reports whether a line has more than punctuation.
func says(line string) bool {
	return strings.ContainsFunc(line, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.So, r) })
}

// shares divides the typing time of a whole text among its parts, by their lengths. A text of
// several messages takes no longer than one of a single message, so its last part is sent before
// the turn expires.
func shares(whole time.Duration, parts []string) []time.Duration {
	total := 0
	for _, p := range parts {
		total += utf8.RuneCountInString(p)
	}
	typed := make([]time.Duration, len(parts))
	for i, p := range parts {
		typed[i] = max(minTyping, whole*time.Duration(utf8.RuneCountInString(p))/time.Duration(max(total, 1)))
	}
	return typed
}
