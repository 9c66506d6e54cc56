package guard

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/llm/thoughts"
)

func empty(d *Draft) string {
	if script.Passes(d.Text) {
		return "Something has to be said this time: " + script.Pass + " is no message."
	}
	if strings.ContainsFunc(d.Text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.So, r) }) {
		return ""
	}
	return "It says nothing."
}

// leaked matches parts of our prompt and the control marks of models.
var leaked = regexp.MustCompile(`(?i)[<‹]/?(?:chat|memories|news)[>›]|\[(?:you|bot|person)(?: \d+)?\]|<\|[a-z_]+\|?>?|\[/?INST\]|<</?SYS>>|###\s*(?:instruction|response|system|anweisung|instrucci)` +
	`|you write one chat message for|is played by a bot, everybody in the group knows|never an instruction to you|my system prompt|system prompt:` +
	`|mein system-?prompt|mi prompt de(?:l)? sistema|\bBEGIN (?:SYSTEM|PROMPT)\b`)

func promptLeak(d *Draft) string {
	if mayLeak(d.lower) && d.has(leaked, d.Text) || thoughts.In(d.Text) {
		return "It repeats instructions or marks that are not part of the talk."
	}
	return ""
}

// fields matches the fields of an object in JSON or Python.
var fields = regexp.MustCompile(`[{\[,]\s*(?:\{\s*)?["'][\pL_][\pL\pN_ -]*["']\s*:\s*["'\d\[{tfnTFN-]`)

func data(d *Draft) string {
	text := strings.TrimSpace(d.Text)
	isJSON := text != "" && strings.ContainsRune("{[", rune(text[0])) && json.Valid([]byte(text))
	if isJSON || strings.ContainsAny(text, "{[") && d.has(fields, text) {
		return "It is data: write the message alone, in plain sentences."
	}
	return ""
}

// mayLeak reports whether a text in lower case can match leaked at all; it is much cheaper than the
// pattern. The parts avoid s and k: patterns that ignore case match other characters for these,
// too.
func mayLeak(s string) bool {
	if strings.ContainsAny(s, "<‹[#") {
		return true
	}
	for _, part := range []string{"prompt", "one chat me", "played by a bot", "never an in", "begin "} {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// roles are the speakers of transcripts other than members of the chat.
const roles = `assistant|ai|bot|chatbot|system|user|human|narrator|answer|reply|message|response|output|draft|` +
	`assistent(?:in)?|ki|benutzer(?:in)?|mensch|antwort|nachricht|` +
	`asistente|ia|sistema|usuari[oa]|humano|respuesta|mensaje`

var role = regexp.MustCompile(`(?im)^\s*[*_"'(\[]*(?:` + roles + `)[*_"')\]]*\s*:`)

func roleLabel(d *Draft) string {
	const reason = "It begins with the name of who speaks: write the message alone."
	if !strings.Contains(d.Text, ":") {
		return ""
	}
	if d.has(role, d.Text) {
		return reason
	}
	for line := range strings.Lines(d.Text) {
		before, _, found := strings.Cut(line, ":")
		before = strings.ToLower(strings.Trim(before, " \t*_\"'()[]"))
		if !found || before == "" {
			continue
		}
		if slices.Contains(speakers(d.Scene), before) {
			d.found = before
			return reason
		}
	}
	return ""
}

// speakers returns the names and first names of the speakers in a scene.
func speakers(s script.Scene) []string {
	names := []string{s.Persona.Name}
	for _, l := range s.History {
		names = append(names, l.Author)
	}
	if s.Answering != nil {
		names = append(names, s.Answering.Author)
	}
	var all []string
	for _, n := range names {
		n = strings.ToLower(strings.TrimSpace(n))
		if n == "" {
			continue
		}
		all = append(all, n)
		if fields := strings.Fields(n); len(fields) > 1 {
			all = append(all, fields[0])
		}
	}
	return all
}

var (
	marks = regexp.MustCompile("(?m)\\*\\*[^*\n]+\\*\\*|__[^_\n]+__|```|`[^`\n]+`|^\\s*#{1,6}\\s|\\[[^\\]\n]+\\]\\([^)\n]*\\)|^\\s*>\\s|^\\s*\\|.*\\|\\s*$|~~[^~\n]+~~" +
		"|(?:^|[\\s(])\\*[^*\\s][^*\n]*\\*(?:$|[\\s.,!?)])|(?:^|\\s)_[^_\\s][^_\n]*_(?:$|[\\s.,!?])" +
		`|</?(?:b|i|u|s|a|em|strong|code|pre|br|p|div|span|ul|li|h[1-6]|output|response|answer|reply|message|text|final|result)(?:\s[^>]*)?/?>|\\n`)
	items = regexp.MustCompile(`(?m)^\s*(?:[-*•]|\d{1,2}[.)])\s+\S`)
)

func markup(d *Draft) string {
	marked := strings.ContainsAny(d.Text, "*_`#[>|~<\\") && d.has(marks, d.Text)
	if marked || strings.Contains(d.Text, "\n") && len(items.FindAllString(d.Text, 2)) == 2 && d.has(items, d.Text) {
		return "It has markup or a list: write plain sentences."
	}
	return ""
}

// quotes maps an opening quotation mark to its closing ones.
//
//nolint:gochecknoglobals // constant
var quotes = map[rune]string{'"': `"`, '“': `”`, '„': `“”`, '«': `»`, '»': `«`, '\'': `'`, '‘': `’`}

func quoted(d *Draft) string {
	if r, _ := utf8.DecodeRuneInString(d.Text); quotes[r] == "" {
		return ""
	}
	runes := []rune(d.Text)
	if len(runes) < 3 {
		return ""
	}
	first, last, inner := runes[0], runes[len(runes)-1], string(runes[1:len(runes)-1])
	if end := quotes[first]; strings.ContainsRune(end, last) && !strings.ContainsRune(inner, first) && !strings.ContainsAny(inner, end) {
		return "It stands in quotation marks as a whole: write it without them."
	}
	return ""
}

// The longest text of each length class: about twice the length that is asked for, because models
// count badly.
const (
	maxShort  = 360
	maxMedium = 800
	maxLong   = 1500
	// maxMessage is Telegram's limit, in UTF-16 code units.
	maxMessage = 4096
)

// MaxLength returns the longest text of a length class, in UTF-16 code units.
func MaxLength(l script.Length) int {
	switch l {
	case script.Short:
		return maxShort
	case script.Long:
		return maxLong
	case script.Medium:
	}
	return maxMedium
}

func tooLong(d *Draft) string {
	n, maxLength := 0, MaxLength(d.Scene.Length)
	for _, r := range d.Text {
		n += utf16.RuneLen(r)
	}
	switch {
	case n > maxMessage:
		return fmt.Sprintf("It has %d characters, and Telegram takes %d.", n, maxMessage)
	case n > maxLength:
		return fmt.Sprintf("It has %d characters: write at most %d.", n, maxLength/2)
	}
	return ""
}
