package generator

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxBubbles is how many messages a text is sent as at most.
	maxBubbles = 3
	// perBubble is how long a message may wait for its chat's limits, besides its typing.
	perBubble = 5 * time.Second
	// minRepeated is how many words a line has that is compared with what was said, as the
	// message that it becomes: people, too, say "yes, exactly" again.
	minRepeated = 4
)

// bubbles are the messages that a text may be sent as: its lines, which its writer broke
// it into. Lines beyond the last message belong to it, and one of marks alone to the line
// before it.
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

// says tells whether a line has more than punctuation.
func says(line string) bool {
	return strings.ContainsFunc(line, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.So, r) })
}

// shares are how long a bot types each part of a text that it types for so long as a
// whole. A text that is broken takes no longer than others, so that its last part is sent
// before its turn's time is over.
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
