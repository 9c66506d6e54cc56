package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/thoughts"
)

// completion holds the fields of an answer that are read.
type completion struct {
	Model   string `json:"model"`
	Choices []struct {
		FinishReason string          `json:"finish_reason"`
		Error        json.RawMessage `json:"error"` // OpenRouter, if the provider behind it fails
		Message      struct {
			Content          json.RawMessage `json:"content"`
			Refusal          json.RawMessage `json:"refusal"`
			Reasoning        json.RawMessage `json:"reasoning"`
			ReasoningContent json.RawMessage `json:"reasoning_content"`
		} `json:"message"`
	} `json:"choices"`
	Usage json.RawMessage `json:"usage"`
}

// used reads the tokens of a call; 0 if they can't be read.
func used(raw json.RawMessage) (u llm.Usage) {
	var in struct {
		PromptTokens     float64 `json:"prompt_tokens"`
		CompletionTokens float64 `json:"completion_tokens"`
	}
	if json.Unmarshal(raw, &in) == nil {
		u.PromptTokens, u.CompletionTokens = count(in.PromptTokens), count(in.CompletionTokens)
	}
	return u
}

// The finish reasons of truncated and of filtered answers, in lower case.
//
//nolint:gochecknoglobals // constant
var (
	endsAtLimit = map[string]bool{"length": true, "max_tokens": true, "max_length": true, "model_length": true, "max_output_tokens": true}
	endsByRule  = map[string]bool{
		"content_filter": true, "content-filter": true, "safety": true, "recitation": true,
		"prohibited_content": true, "blocklist": true, "spii": true, "sensitive": true,
	}
)

const (
	adviceThinking = "raise generator.max_tokens, or switch the model's thinking off (llm.extra)"
	adviceAddress  = "look whether llm.url is the address of an API with OpenAI's chat completions, with its version path"
)

// answer reads a model's answer.
func (p *Provider) answer(got reply) (llm.Response, error) {
	var doc completion
	err := json.Unmarshal(got.body, &doc)
	if said, ok := inBody(got.body); ok {
		return llm.Response{}, p.spoken(got, said)
	}
	e := &llm.Error{Class: fail.Transient, Provider: p.cfg.Name, Status: got.status, Limits: got.limits, Usage: used(doc.Usage)}
	e.Usage.Latency = got.latency
	failed := func(reason, advice string) (llm.Response, error) {
		e.Reason, e.Advice = reason, advice
		return llm.Response{}, e
	}
	switch {
	case err != nil:
		return failed("the answer can't be read: "+p.clean(excerpt(got.body)), adviceAddress)
	case len(doc.Choices) == 0:
		return failed("the answer has no choices: "+p.clean(excerpt(got.body)), adviceAddress)
	}
	choice := doc.Choices[0]
	ended := strings.ToLower(choice.FinishReason)
	text, refusal, err := content(choice.Message.Content)
	if err != nil {
		return failed("the answer can't be read: "+p.clean(err.Error()), "")
	}
	if s := textOf(choice.Message.Refusal); s != "" {
		refusal = s
	}
	switch {
	case endsByRule[ended]:
		e.Class, e.Code, e.Answered = fail.Permanent, "content_filter", true
		return failed("the provider filtered the answer", "")
	case refusal != "":
		e.Class, e.Code, e.Answered = fail.Permanent, "refusal", true
		return failed("the model refused", "")
	case ended == "error":
		return failed("the model failed within its answer", "")
	}
	text, thought := thoughts.Cut(text)
	text = strings.TrimSpace(text)
	truncated := endsAtLimit[ended]
	if text == "" {
		thought = thought || textOf(choice.Message.Reasoning) != "" || textOf(choice.Message.ReasoningContent) != ""
		return failed(p.nothing(e, thought, truncated, ended), e.Advice)
	}
	r := llm.Response{
		Text: text, Truncated: truncated, Provider: p.cfg.Name, Model: doc.Model, Limits: got.limits, Usage: e.Usage,
	}
	if r.Model == "" {
		r.Model = p.cfg.Model
	}
	return r, nil
}

// nothing explains why an answer has no text. A model that thinks until its limit works, and so
// does one that calls a tool.
func (p *Provider) nothing(e *llm.Error, thought, truncated bool, ended string) string {
	switch {
	case truncated:
		e.Answered, e.Code, e.Advice = true, llm.CodeThinking, adviceThinking
		return "the answer was ended by its bound of tokens before it had any text: all went into thinking"
	case thought:
		e.Answered, e.Code, e.Advice = true, llm.CodeThinking, adviceThinking
		return "all of the answer went into thinking"
	case ended == "tool_calls" || ended == "function_call":
		e.Answered = true
		return "the model called a tool instead of saying something"
	}
	e.Code = llm.CodeEmpty
	return "the answer is empty"
}

// spoken returns the failure that the body of a 200 reports.
func (p *Provider) spoken(got reply, said said) error {
	e := &llm.Error{Provider: p.cfg.Name, Limits: got.limits, Status: said.status}
	if e.Status == 0 {
		e.Status = got.status
	}
	p.classify(e, said, nil)
	return e
}

// inBody finds an error in the body of a success: at the top, in the first choice, or, if there are
// no choices, in any known form of errors.
func inBody(body []byte) (said, bool) {
	var doc struct {
		Error   json.RawMessage `json:"error"`
		Choices []struct {
			Error json.RawMessage `json:"error"`
		} `json:"choices"`
		Data json.RawMessage `json:"data"` // embeddings
	}
	if json.Unmarshal(body, &doc) != nil {
		var list []json.RawMessage // Google wraps errors in a list
		if json.Unmarshal(body, &list) != nil || len(list) == 0 {
			return said{}, false
		}
		s := readError(body)
		return s, s.message != ""
	}
	places := []json.RawMessage{doc.Error}
	if len(doc.Choices) > 0 {
		places = append(places, doc.Choices[0].Error)
	}
	for _, part := range places {
		if s := readError(part); s.message != "" || s.code != "" || s.status != 0 {
			return s, true
		}
	}
	if len(doc.Choices) == 0 && len(doc.Data) == 0 {
		s := readError(body)
		return s, s.message != "" && (s.status >= 400 || s.code != "")
	}
	return said{}, false
}

// content reads a message's content: a text, or a list of parts. It joins parts with text and
// leaves out thoughts.
func content(raw json.RawMessage) (text, refusal string, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", "", nil
	}
	if json.Unmarshal(raw, &text) == nil {
		return strings.ToValidUTF8(text, string(utf8.RuneError)), "", nil
	}
	parts := []json.RawMessage{raw}
	if raw[0] == '[' {
		parts = nil
		if err := json.Unmarshal(raw, &parts); err != nil {
			return "", "", errors.New("content is no list of parts")
		}
	}
	unread := ""
	for _, raw := range parts {
		var s string
		if json.Unmarshal(raw, &s) == nil {
			text = join(text, s)
			continue
		}
		var part struct {
			Type    string          `json:"type"`
			Text    json.RawMessage `json:"text"`
			Refusal json.RawMessage `json:"refusal"`
		}
		if json.Unmarshal(raw, &part) != nil {
			return "", "", errors.New("content has a part that is no object: " + excerpt(raw))
		}
		switch strings.ToLower(part.Type) {
		case "text", "output_text", "":
			s := textOf(part.Text)
			if s == "" && string(part.Text) != `""` {
				unread = excerpt(raw)
			}
			text = join(text, s)
		case "refusal":
			refusal = textOf(part.Refusal)
		case "thinking", "redacted_thinking", "reasoning", "reasoning_content", "thought", "summary_text", "reasoning_text":
		default:
			unread = excerpt(raw)
		}
	}
	if text == "" && refusal == "" && unread != "" {
		return "", "", errors.New("content has no text: " + unread)
	}
	return text, refusal, nil
}

// textOf returns a text, or the value or text of an object; "" for anything else.
func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var in struct {
		Value string `json:"value"`
		Text  string `json:"text"`
	}
	if json.Unmarshal(raw, &in) == nil {
		return in.Value + in.Text
	}
	return ""
}

// join joins two parts, which may be split within a word. After the end of a sentence it adds a
// space.
func join(a, b string) string {
	last, _ := utf8.DecodeLastRuneInString(a)
	first, _ := utf8.DecodeRuneInString(b)
	if a != "" && unicode.Is(unicode.Sentence_Terminal, last) && unicode.IsUpper(first) {
		return a + " " + b
	}
	return a + b
}

// document removes what some gateways put around a body: a byte order mark, white space, and
// comments that keep the connection alive.
func document(body []byte) []byte {
	body = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\ufeff")))
	for len(body) > 0 && body[0] == ':' {
		_, rest, _ := bytes.Cut(body, []byte("\n"))
		body = bytes.TrimSpace(rest)
	}
	var first json.RawMessage
	if json.NewDecoder(bytes.NewReader(body)).Decode(&first) == nil {
		return first
	}
	return body
}

// count converts a number of tokens; some servers send fractions, or negative numbers.
func count(n float64) int {
	const maxCount = 1 << 30
	return int(min(max(n, 0), maxCount))
}
