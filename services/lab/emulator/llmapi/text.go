package llmapi

import (
	"hash/fnv"
	"regexp"
	"slices"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
)

// What is understood of a prompt. Chorus' own prompts name the persona and the
// topic, and put what members wrote between tags; of any other prompt the last
// user message is answered.
var (
	personaOf = regexp.MustCompile(`(?:You are|You write one chat message for) ([\p{L}][\p{L}' -]{0,40}?)[,.]`)
	topicOf   = regexp.MustCompile(`(?m)^The topic is: (.{1,80})$`)
	chatOf    = regexp.MustCompile(`(?s)<chat>\n(.*?)\n</chat>`)
	lineOf    = regexp.MustCompile(`^([^:\n]{1,64}): (.*)$`)
)

// text returns the canned text, or one that fits the request. The same request gets the same
// text.
func (a *API) text(in request) string {
	if a.opts.Text != "" {
		return a.opts.Text
	}
	return a.composer.Compose(scene(in), max(in.MaxTokens, in.MaxCompletionTokens))
}

func scene(in request) script.Scene {
	s := script.Scene{Persona: script.Persona{Name: "the assistant"}, Length: script.Medium, Seed: seed(in)}
	for _, m := range in.Messages {
		if m.Role != llm.RoleSystem && m.Role != "developer" {
			continue
		}
		s.Purpose = string(m.Content)
		if found := personaOf.FindStringSubmatch(s.Purpose); found != nil {
			s.Persona.Name = found[1]
		}
	}
	last := ""
	for _, m := range slices.Backward(in.Messages) {
		if m.Role == llm.RoleUser {
			last = string(m.Content)
			break
		}
	}
	if found := topicOf.FindStringSubmatch(last); found != nil {
		s.Topic = found[1]
	}
	blocks := chatOf.FindAllStringSubmatch(last, -1)
	switch {
	case len(blocks) == 0:
		s.Answering = &script.Line{Text: last}
		return s
	case len(blocks) > 1: // the history, then what is answered
		answered := line(blocks[len(blocks)-1][1])
		s.Answering = &answered
	}
	for l := range strings.SplitSeq(blocks[0][1], "\n") {
		s.History = append(s.History, line(l))
	}
	return s
}

func line(text string) script.Line {
	if found := lineOf.FindStringSubmatch(text); found != nil {
		return script.Line{Author: found[1], Text: found[2]}
	}
	return script.Line{Text: text}
}

// seed is the request's own, else one that depends on its messages alone.
func seed(in request) uint64 {
	if in.Seed != nil {
		return uint64(*in.Seed) //nolint:gosec // any 64 bits will do
	}
	h := fnv.New64a()
	for _, m := range in.Messages {
		_, _ = h.Write([]byte(m.Role + "\x00" + string(m.Content) + "\x00"))
	}
	return h.Sum64()
}
