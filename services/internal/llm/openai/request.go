package openai

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	sdk "github.com/openai/openai-go/v3"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
)

// omitted records the parts of requests that the model refused; later requests leave them out. A
// new process starts without it.
type omitted struct {
	temperature atomic.Bool
	maxTokens   atomic.Bool // Config.MaxTokensField
	otherTokens atomic.Bool // the other one of the two fields
	system      atomic.Bool // the system's messages are put before the first user message
}

// sent records which of these parts a request had.
type sent struct{ temperature, system, maxTokens, otherTokens bool }

func (p *Provider) params(r llm.Request) (sdk.ChatCompletionNewParams, sent, error) {
	var has sent
	params := sdk.ChatCompletionNewParams{Model: p.cfg.Model}
	if len(r.Messages) == 0 {
		return params, has, p.permanent("the request has no messages")
	}
	messages := r.Messages
	if p.omitted.system.Load() {
		messages = withoutSystem(messages)
	}
	for i, m := range messages {
		switch m.Role {
		case llm.RoleSystem:
			has.system = true
			params.Messages = append(params.Messages, sdk.SystemMessage(m.Content))
		case llm.RoleUser:
			params.Messages = append(params.Messages, sdk.UserMessage(m.Content))
		case llm.RoleAssistant:
			params.Messages = append(params.Messages, sdk.AssistantMessage(m.Content))
		default:
			return params, has, p.permanent(fmt.Sprintf("message %d has the unknown role %q", i, m.Role))
		}
	}
	if r.Temperature != 0 && !p.omitted.temperature.Load() {
		has.temperature = true
		params.Temperature = sdk.Float(r.Temperature)
	}
	p.bound(&params, &has, r.MaxTokens)
	if extra, err := p.cfg.extra(); err == nil && len(extra) > 0 { // it was validated
		params.SetExtraFields(extra)
	}
	return params, has, nil
}

// bound limits the answer by the configured field, or else by the other one.
func (p *Provider) bound(params *sdk.ChatCompletionNewParams, has *sent, tokens int) {
	field := p.cfg.MaxTokensField
	switch {
	case tokens <= 0:
		return
	case !p.omitted.maxTokens.Load():
		has.maxTokens = true
	case !p.omitted.otherTokens.Load():
		has.otherTokens = true
		field = other(field)
	default:
		return
	}
	if field == FieldMaxCompletionTokens {
		params.MaxCompletionTokens = sdk.Int(int64(tokens))
		return
	}
	params.MaxTokens = sdk.Int(int64(tokens))
}

func other(field string) string {
	if field == FieldMaxTokens {
		return FieldMaxCompletionTokens
	}
	return FieldMaxTokens
}

// withoutSystem moves the system's messages to the beginning of the first user message.
func withoutSystem(messages []llm.Message) []llm.Message {
	var system []string
	var rest []llm.Message
	for _, m := range messages {
		if m.Role == llm.RoleSystem {
			system = append(system, m.Content)
			continue
		}
		rest = append(rest, m)
	}
	if len(system) == 0 {
		return messages
	}
	at := slices.IndexFunc(rest, func(m llm.Message) bool { return m.Role == llm.RoleUser })
	if at < 0 {
		return append([]llm.Message{{Role: llm.RoleUser, Content: strings.Join(system, "\n\n")}}, rest...)
	}
	rest[at].Content = strings.Join(append(system, rest[at].Content), "\n\n")
	return rest
}

// These patterns match a server's refusal of a part of a request. ranged excludes values that are
// out of range: those are the operator's to fix.
//
//nolint:lll // patterns
var (
	refusing = regexp.MustCompile(`(?i)(?:un|not |n't |no longer |isn't )(?:be )?support|not (?:currently )?(?:permitted|allowed|enabled|available|recogni[sz]ed|accepted|implemented|applicable)` +
		`|unrecogni[sz]ed|unknown|unexpected|extra (?:inputs|fields)|extra_forbidden|deprecated|does not (?:accept|allow|take)|doesn't (?:accept|allow|take)|only the default|only .{0,40} (?:is|are) (?:supported|allowed)|invalid (?:parameter|argument|field|role)|additional propert|must not be|cannot be (?:set|used)|can't be (?:set|used)`)
	ranged      = regexp.MustCompile(`(?i)too (?:large|high|big|low|small)|at most|at least|less than|greater than|between|range|maximum|exceed|must be (?:<|>|≤|≥)`)
	aboutSystem = regexp.MustCompile(`(?i)\b(?:system|developer)\b['"` + "`" + `]? ?(?:role|message|instruction|prompt)|(?:role|message|instruction|prompt)s?:? ?['"` + "`" + `]?(?:system|developer)\b|'system'|"system"|messages?\[?\.?\d+\]?\.?role|only user,? (?:and )?(?:assistant|model)`)
	alternate   = regexp.MustCompile(`(?i)roles? must alternate`)
)

// learn checks whether a failure refuses a part of the request that can be left out. If so, later
// requests leave it out, and the returned error says so.
func (p *Provider) learn(err error, has sent) error {
	var e *llm.Error
	if !errors.As(err, &e) || !mayRefuse(e.Status) {
		return err
	}
	words := e.Reason
	leave := func(flag *atomic.Bool, what string) error {
		flag.Store(true)
		e.Class, e.Answered, e.Again = fail.Transient, true, true
		e.Advice = what
		return e
	}
	refuses := refusing.MatchString(words)
	tokens := refuses && !ranged.MatchString(words)
	switch {
	case has.temperature && refuses && strings.Contains(words, "temperature"):
		return leave(&p.omitted.temperature, "temperature is left out from now on")
	case has.maxTokens && tokens && names(words, p.cfg.MaxTokensField):
		return leave(&p.omitted.maxTokens, other(p.cfg.MaxTokensField)+" is sent from now on; set llm.max_tokens_field to it")
	case has.otherTokens && tokens && names(words, other(p.cfg.MaxTokensField)):
		return leave(&p.omitted.otherTokens, "the length of answers is not bounded from now on")
	case has.system && (refuses && aboutSystem.MatchString(words) || alternate.MatchString(words)):
		return leave(&p.omitted.system, "what the system says is said by the user from now on")
	}
	return err
}

// mayRefuse reports whether servers use this status to refuse a request for its content. Servers
// that render a template fail with a 500.
func mayRefuse(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnprocessableEntity ||
		status == http.StatusInternalServerError || status == http.StatusNotImplemented
}

// names reports whether a refusal that names both fields refuses this one: the first is refused,
// the other is recommended.
func names(words, field string) bool {
	mine, others := wordAt(words, field), wordAt(words, other(field))
	return mine >= 0 && (others < 0 || mine < others)
}

func wordAt(words, field string) int {
	at := regexp.MustCompile(`(?i)\b` + field + `\b`).FindStringIndex(words)
	if at == nil {
		return -1
	}
	return at[0]
}
