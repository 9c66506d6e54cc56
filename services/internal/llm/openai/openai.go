// Package openai is a text provider for any API that speaks OpenAI's chat
// completions: OpenAI, Groq, OpenRouter, vLLM, Ollama, LiteLLM.
package openai

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// Provider asks one model of one API. It is safe for concurrent use.
type Provider struct {
	cfg  Config
	chat sdk.ChatCompletionService
}

var _ llm.Provider = (*Provider)(nil)

// New returns a provider that shares client's connections; nil is
// http.DefaultClient. The client's own time-out is left as it is, Config's
// applies besides.
func New(cfg Config, client *http.Client) (*Provider, error) {
	opts, err := options(cfg, client)
	if err != nil {
		return nil, err
	}
	// The service, unlike the SDK's client, reads nothing from the environment.
	return &Provider{cfg: cfg, chat: sdk.NewChatCompletionService(opts...)}, nil
}

func options(cfg Config, client *http.Client) ([]option.RequestOption, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("llm provider %s: %w", cfg.Name, err)
	}
	if client == nil {
		client = http.DefaultClient
	}
	bounded := *client
	bounded.Transport = boundedTransport{next: client.Transport, max: cfg.MaxAnswerBytes}

	opts := []option.RequestOption{
		option.WithBaseURL(cfg.BaseURL),
		option.WithHTTPClient(&bounded),
		// Retries belong to the chain of providers: two layers of them would
		// multiply, and hide the cost of every attempt but the last.
		option.WithMaxRetries(0),
	}
	if !cfg.Key.Empty() {
		opts = append(opts, option.WithAPIKey(cfg.Key.Reveal()))
	}
	return opts, nil
}

// Generate sends the request's messages and returns the first choice.
func (p *Provider) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	params, err := p.params(r)
	if err != nil {
		return llm.Response{}, err
	}

	callCtx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	start := time.Now()
	var raw *http.Response
	answer, err := p.chat.New(callCtx, params, option.WithResponseInto(&raw))
	if err != nil {
		return llm.Response{}, p.failure(ctx, callCtx, raw, err)
	}
	latency := time.Since(start)

	text, err := p.text(answer, raw)
	if err != nil {
		return llm.Response{}, err
	}
	model := answer.Model
	if model == "" {
		model = p.cfg.Model
	}
	return llm.Response{
		Text:     text,
		Provider: p.cfg.Name,
		Model:    model,
		Usage: llm.Usage{
			PromptTokens:     int(answer.Usage.PromptTokens),
			CompletionTokens: int(answer.Usage.CompletionTokens),
			Latency:          latency,
		},
		Limits: limits(raw.Header),
	}, nil
}

func (p *Provider) params(r llm.Request) (sdk.ChatCompletionNewParams, error) {
	if len(r.Messages) == 0 {
		return sdk.ChatCompletionNewParams{}, p.permanent("the request has no messages")
	}
	params := sdk.ChatCompletionNewParams{Model: p.cfg.Model}
	for i, m := range r.Messages {
		switch m.Role {
		case llm.RoleSystem:
			params.Messages = append(params.Messages, sdk.SystemMessage(m.Content))
		case llm.RoleUser:
			params.Messages = append(params.Messages, sdk.UserMessage(m.Content))
		case llm.RoleAssistant:
			params.Messages = append(params.Messages, sdk.AssistantMessage(m.Content))
		default:
			return sdk.ChatCompletionNewParams{}, p.permanent(fmt.Sprintf("message %d has the unknown role %q", i, m.Role))
		}
	}
	if r.Temperature != 0 {
		params.Temperature = sdk.Float(r.Temperature)
	}
	if r.MaxTokens <= 0 {
		return params, nil
	}
	if p.cfg.MaxTokensField == FieldMaxCompletionTokens {
		params.MaxCompletionTokens = sdk.Int(int64(r.MaxTokens))
		return params, nil
	}
	params.MaxTokens = sdk.Int(int64(r.MaxTokens))
	return params, nil
}

// text takes the text out of an answer that was well-formed HTTP and JSON.
func (p *Provider) text(answer *sdk.ChatCompletion, raw *http.Response) (string, error) {
	fail := func(class error, code, reason string) error {
		return &llm.Error{
			Class: class, Provider: p.cfg.Name, Status: raw.StatusCode,
			Code: code, Limits: limits(raw.Header), Reason: reason,
		}
	}
	if len(answer.Choices) == 0 {
		return "", fail(llm.ErrTransient, "", "the answer has no choices")
	}
	choice := answer.Choices[0]
	if choice.FinishReason == "content_filter" {
		return "", fail(llm.ErrPermanent, "content_filter", "the provider filtered the answer")
	}
	if choice.Message.Refusal != "" {
		return "", fail(llm.ErrPermanent, "refusal", "the model refused")
	}
	text := strings.TrimSpace(strings.ToValidUTF8(choice.Message.Content, "\uFFFD"))
	if text == "" {
		return "", fail(llm.ErrTransient, "", "the answer is empty")
	}
	return text, nil
}

func (p *Provider) permanent(reason string) error {
	return &llm.Error{Class: llm.ErrPermanent, Provider: p.cfg.Name, Reason: reason}
}

// boundedTransport cuts answers off at max bytes: the SDK reads whole bodies.
type boundedTransport struct {
	next http.RoundTripper
	max  int64
}

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, t.max)
	return resp, nil
}
