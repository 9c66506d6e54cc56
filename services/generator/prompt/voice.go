package prompt

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/voice"
)

// habits describes a voice in words; "" for one without habits. If a disclaimer that is a sentence
// follows, it leaves out the voice's habit with full stops.
func habits(v voice.Voice, disclaimer string) string {
	if first, _ := utf8.DecodeRuneInString(disclaimer); unicode.IsLetter(first) {
		v.Stops = ""
	}
	var all []string
	for _, habit := range []string{
		map[string]string{
			voice.Terse: "says no more than it must, often a word or a few",
			voice.Short: "is brief",
			voice.Long:  "takes its time",
		}[v.Length],
		map[string]string{
			voice.Standard: "uses capitals as the language has them",
			voice.Lower:    "begins sentences in lower case, names excepted",
		}[v.Capitals],
		map[string]string{
			voice.Always:    "ends each sentence with its mark",
			voice.Sometimes: "often leaves out the full stop at the end of the message",
			voice.Never:     "leaves out the full stop at the end of the message",
		}[v.Stops],
		map[string]string{
			voice.Never:  "uses no emoji",
			voice.Rarely: "uses an emoji now and then, in one message of ten",
			voice.Often:  "uses an emoji in every second or third message",
		}[v.Emoji],
		map[string]string{
			voice.Formal: "speaks formally, without contractions and slang",
			voice.Plain:  "speaks plainly",
			voice.Casual: "speaks casually, as among friends",
		}[v.Register],
	} {
		if habit != "" {
			all = append(all, habit)
		}
	}
	if len(v.Openers) > 0 {
		quoted := make([]string, len(v.Openers))
		for i, o := range v.Openers {
			quoted[i] = Quote(o)
		}
		all = append(all, "likes to begin with "+strings.Join(quoted, " or ")+", and does so in one message of three")
	}
	return strings.Join(all, "; ")
}

// The limits, in words, of the shortest messages and of a remark.
const shortest, remark = 3, 8

// size describes the wanted length of a text.
func size(s script.Scene) string {
	switch n := s.Words(); {
	case n <= shortest:
		return fmt.Sprintf("a word or a few, at most %d", shortest)
	case n <= remark:
		return fmt.Sprintf("one short remark of at most %d words", remark)
	default:
		return fmt.Sprintf("about %d words", n)
	}
}
