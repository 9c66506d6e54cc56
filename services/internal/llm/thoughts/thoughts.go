// Package thoughts separates a model's thoughts from its answer if both are in one text. Each
// family of models marks thoughts in its own way. One table holds these marks; it is used to cut
// thoughts out of answers and to refuse texts with marks.
package thoughts

import (
	"regexp"
	"strings"
)

// tagNames are the names of tags around thoughts, as <think> or, with a namespace, <seed:think>.
const tagNames = `(?:[a-z0-9_-]{1,20}:)?(?:think(?:ing)?|thoughts?|thought_process|ant_?thinking|reason(?:ing)?|reflect(?:ion)?|analysis|scratchpad|inner_?monologue|cot|cot_budget_reflect)`

// mark is a pair of marks around thoughts. The patterns ignore case.
type mark struct{ open, shut string }

// marks are the known marks, each with a family of models that uses it.
//
//nolint:gochecknoglobals // constant
var marks = []mark{
	{`<\s*` + tagNames + `(?:\s[^<>]*)?/?>`, `<\s*/\s*` + tagNames + `\s*>`},                               // DeepSeek R1, Qwen 3 and many others
	{`&lt;\s*` + tagNames + `\s*&gt;`, `&lt;\s*/\s*` + tagNames + `\s*&gt;`},                               // the same, behind a gateway that escapes HTML
	{`\[\s*(?:think(?:ing)?|thought|reasoning)\s*\]`, `\[\s*/\s*(?:think(?:ing)?|thought|reasoning)\s*\]`}, // Magistral
	{`◁\s*think(?:ing)?\s*▷`, `◁\s*/\s*think(?:ing)?\s*▷`},                                                 // Kimi
	{`<\|\s*think(?:ing)?\s*\|>`, `<\|\s*/\s*think(?:ing)?\s*\|>`},                                         // Phi and others
	{`<\|begin_of_thought\|>`, `<\|end_of_thought\|>`},                                                     // Sky-T1, OpenThinker
	{`<\|START_THINKING\|>`, `<\|END_THINKING\|>`},                                                         // Command A
	{`<unused94>(?:thought)?`, `<unused95>`},                                                               // MedGemma
	{`<\|?channel\|?>\s*thought`, `<channel\|>`},                                                           // Gemma
	// gpt-oss: thoughts, comments and the answer have channels of their own.
	{`<\|channel\|>\s*(?:analysis|commentary)`, `(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*final(?:[^<]|<\|constrain\|>){0,40}<\|message\|>`},
	// The same from a server that drops the marks and leaves their words.
	{`\A\s*analysis(?:[A-Z"'“]|\s*\n)`, `assistant(?:\s*commentary\b[^\n]*)?\s*final`},
	{`\A\s*Here(?:'s| is) my (?:thought|thinking) process:`, `Here(?:'s| is) my (?:response|answer):`}, // Granite
	// Models that were told to think first and write headings.
	{
		`\A\s*(?:(?:\*\*|__|#{1,6})\s*(?:thinking|thought process|reasoning|analysis)\b[a-z ]{0,20}` +
			`|(?:thinking|thought|reasoning)(?: process)?\s*:|chain of thought\s*:)`,
		`(?:\*\*|__|#{1,6}\s)\s*(?:final |my )?(?:answer|response|reply|message|output)\s*(?::\s*)?(?:\*\*|__|:|\n)`,
	},
}

// aside matches thoughts of the persona, in the way of a play.
var aside = regexp.MustCompile(`(?i)[*(]\s*(?:thinks|thinking|thoughts?)\s*:[^*)]*(?:[*)]|\z)`)

// maxOpening is the length of the beginning, in bytes, that shows whether a text is about its task.
const maxOpening = 320

// setsToWork and aboutTask match the beginning of a text that is about its task instead of doing
// it. Such texts come from models whose marks the server removed, or that were cut off before the
// closing mark. The beginning names the task or the speaker's plan, and then uses words of the task
// that nobody says in a chat.
//
//nolint:lll // patterns
var (
	setsToWork = regexp.MustCompile(`(?i)\A\W*(?:(?:okay|ok|alright|all right|hm+|well|so|right|first|now|got it|also)\b[\s,.!:…-]*){0,3}` +
		`(?:the (?:user|task|prompt|instructions?|persona|system)|(?:i|we)(?:'ll|'m|'ve| am| are| have| need| must| should| will)|let(?:'s| me| us)` +
		`|(?:der|die) (?:user|nutzer|benutzer|aufgabe|persona)|(?:ich|wir) (?:muss|müssen|soll|sollen|sollte|sollten))\b`)
	aboutTask = regexp.MustCompile(`(?i)\b(?:(?:one|a single|short|brief|chat|group) (?:chat )?(?:message|reply|response)|(?:the|this) persona|system (?:prompt|message)|in[- ]character` +
		`|the instructions? (?:says?|tells?)|(?:respond|reply|answer|write) as [A-Z]|what \S+ would (?:say|write|reply|answer)` +
		`|(?:kurze|eine) (?:chat-?)?nachricht|chat-?nachricht|(?:der|diese) persona|systemprompt)`)
)

// wrapping matches marks around the answer, or at its end.
//
//nolint:lll // a pattern
var wrapping = regexp.MustCompile(`(?i)^\s*(?:<\s*(?:answer|response|final|final_answer|solution)\s*>|<\|begin_of_solution\|>|<\|START_RESPONSE\|>|<\|begin_of_box\|>|\[(?:RESPONSE|ANSWER)\])` +
	`|(?:<\s*/\s*(?:answer|response|final|final_answer|solution)\s*>|\[/(?:RESPONSE|ANSWER)\]|<\|[a-z_]{1,24}\|>|</s>|<end_of_turn>|<eos>|\s)+$`)

// pattern matches any mark. It has a group for each opening and each closing mark, in this order.
var pattern = regexp.MustCompile(alternatives())

func alternatives() string {
	all := make([]string, 0, 2*len(marks))
	for _, m := range marks {
		open, shut := `(?i:`+m.open+`)`, `(?i:`+m.shut+`)`
		if strings.HasPrefix(m.open, `\A\s*analysis`) {
			open = m.open // the case after it matters
		}
		all = append(all, `(`+open+`)`, `(`+shut+`)`)
	}
	return strings.Join(all, "|")
}

// Cut returns a text without its thoughts: without the text between marks, before a closing mark
// without an opening one, and after an opening mark that is never closed. A text without marks that
// is about its task is all thoughts. thought reports whether there were any. The returned text may
// be empty.
func Cut(text string) (said string, thought bool) {
	if !In(text) {
		return text, false
	}
	said = unwrap(aside.ReplaceAllString(outside(text), ""))
	if about(said) {
		return "", true
	}
	return said, true
}

// outside returns the parts of a text outside of marks.
func outside(text string) string {
	var out strings.Builder
	thinking, from := false, 0
	for _, at := range pattern.FindAllStringSubmatchIndex(text, -1) {
		switch opens(at) {
		case true:
			if !thinking {
				out.WriteString(text[from:at[0]])
			}
			thinking = !strings.HasSuffix(text[at[0]:at[1]], "/>") || thinking
		case false:
			if !thinking {
				out.Reset()
			}
			thinking = false
		}
		from = at[1]
	}
	if !thinking {
		out.WriteString(text[from:])
	}
	return out.String()
}

// opens reports whether a match is an opening mark.
func opens(at []int) bool {
	for group := 1; 2*group < len(at); group++ {
		if at[2*group] >= 0 {
			return group%2 == 1
		}
	}
	return false
}

func unwrap(s string) string {
	for {
		bare := strings.TrimSpace(wrapping.ReplaceAllString(s, ""))
		if bare == s {
			return s
		}
		s = bare
	}
}

// In reports whether a text has any mark of thoughts, or is about its task.
func In(text string) bool {
	return mayHave(text) && (pattern.MatchString(text) || aside.MatchString(text)) || about(text)
}

// about reports whether a text is about its own task.
func about(text string) bool {
	return setsToWork.MatchString(text) && aboutTask.MatchString(text[:min(len(text), maxOpening)])
}

// mayHave reports whether a text can have marks at all; it is much cheaper than the patterns.
func mayHave(text string) bool {
	if strings.ContainsAny(text, "<[◁&*#") {
		return true
	}
	lower := strings.ToLower(text)
	for _, part := range []string{"analysis", "final", "thought", "thinking", "thinks:", "reasoning", "__", "my response", "my answer"} {
		if strings.Contains(lower, part) {
			return true
		}
	}
	return false
}
