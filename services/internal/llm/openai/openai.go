// Package openai is a text provider for any API with OpenAI's chat completions: OpenAI, Groq,
// OpenRouter, vLLM, Ollama, LiteLLM.
package openai

import (
	"context"
	"fmt"
	"net/http"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
)

// Provider asks one model of one API. It is safe for concurrent use.
type Provider struct {
	cfg     Config
	chat    sdk.ChatCompletionService
	omitted omitted
}

var _ llm.Provider = (*Provider)(nil)

// New returns a provider that shares client's connections; nil means http.DefaultClient. The
// client's own timeout applies besides that of cfg.
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
		// The chain of providers retries. A second layer would multiply the calls, and hide the
		// cost of every attempt but the last.
		option.WithMaxRetries(0),
	}
	if !cfg.Key.Empty() {
		opts = append(opts, option.WithAPIKey(cfg.Key.Reveal()))
	}
	return opts, nil
}

// Generate sends the request's messages and returns the first choice.
func (p *Provider) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	params, sent, err := p.params(r)
	if err != nil {
		return llm.Response{}, err
	}
	got, err := p.exchange(ctx, func(ctx context.Context, opts ...option.RequestOption) error {
		_, err := p.chat.New(ctx, params, opts...)
		return err //nolint:wrapcheck // classified by exchange
	})
	if err != nil {
		return llm.Response{}, p.learn(err, sent)
	}
	said, err := p.answer(got)
	if err != nil {
		return llm.Response{}, p.learn(err, sent)
	}
	return said, nil
}

// reply is an answer with a success status.
type reply struct {
	status  int
	limits  llm.Limits
	body    []byte
	latency time.Duration
}

// exchange makes one call and reads its body whatever its content type: some gateways send JSON as
// text, or without a type.
func (p *Provider) exchange(ctx context.Context, send func(ctx context.Context, opts ...option.RequestOption) error) (reply, error) {
	callCtx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	start := time.Now()
	var raw *http.Response
	var body []byte
	if err := send(callCtx, option.WithResponseInto(&raw), option.WithResponseBodyInto(&body)); err != nil {
		return reply{}, p.failure(ctx, callCtx, raw, err)
	}
	return reply{status: raw.StatusCode, limits: limits(raw.Header), body: document(body), latency: time.Since(start)}, nil
}

func (p *Provider) permanent(reason string) error {
	return &llm.Error{Class: fail.Permanent, Provider: p.cfg.Name, Reason: reason}
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
