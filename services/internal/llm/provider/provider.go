// Package provider makes the text provider that a configuration asks for.
package provider

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/offline"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
	"github.com/chorus-cast/chorus/services/internal/secret"
)

// Kinds of provider.
const (
	Offline = "offline" // templates, no model and no network
	OpenAI  = "openai"  // any API with OpenAI's chat completions
)

// Config says who writes the texts.
type Config struct {
	Kind      string        `config:"kind" doc:"who writes the texts: offline (templates, no model needed) or openai (any API with OpenAI's chat completions)"`
	URL       string        `config:"url" doc:"the API's address with its version path, such as https://api.openai.com/v1"`
	Model     string        `config:"model" doc:"the model's name as the API knows it"`
	Key       secret.Ref    `config:"key" doc:"where the API key is: env:NAME or file:PATH; empty for an API without keys"`
	Timeout   time.Duration `config:"timeout" doc:"longest time for one call, from dialling to the last byte"`
	MaxTokens string        `config:"max_tokens_field" doc:"request field that bounds the answer: max_tokens, or max_completion_tokens for OpenAI's reasoning models"`
	MaxAnswer int64         `config:"max_answer_bytes" doc:"longest answer that is read, in bytes"`
}

// DefaultConfig writes offline. The rest is what an API gets where only its
// kind, URL and model are set.
func DefaultConfig() Config {
	d := openai.Default()
	return Config{Kind: Offline, Timeout: d.Timeout, MaxTokens: d.MaxTokensField, MaxAnswer: d.MaxAnswerBytes}
}

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	switch c.Kind {
	case Offline:
		return c.validateUnused()
	case OpenAI:
		return c.api(secret.String{}).Validate()
	}
	return fmt.Errorf("kind: %q, want %s or %s", c.Kind, Offline, OpenAI)
}

// validateUnused objects to an API that is set and would never be asked.
func (c Config) validateUnused() error {
	var errs []error
	if c.URL != "" {
		errs = append(errs, fmt.Errorf("url: is set, but kind is %s: set kind to %s to use it", Offline, OpenAI))
	}
	if c.Model != "" {
		errs = append(errs, fmt.Errorf("model: %q is set, but kind is %s: set kind to %s to use it", c.Model, Offline, OpenAI))
	}
	return errors.Join(errs...)
}

// New makes the provider. The key is looked up here, once.
func New(c Config) (llm.Provider, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Kind == Offline {
		return offline.New()
	}
	var key secret.String
	if c.Key != (secret.Ref{}) {
		var err error
		if key, err = secret.Resolve(c.Key); err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
	}
	return openai.New(c.api(key), &http.Client{Transport: transport()})
}

// callsAtOnce is how many idle connections to the API are kept: generators
// write many texts at once, and the default of two would dial for each.
const callsAtOnce = 128

func transport() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := base.Clone()
	t.MaxIdleConnsPerHost = callsAtOnce
	return t
}

func (c Config) api(key secret.String) openai.Config {
	return openai.Config{
		Name: OpenAI, BaseURL: c.URL, Model: c.Model, Key: key,
		Timeout: c.Timeout, MaxTokensField: c.MaxTokens, MaxAnswerBytes: c.MaxAnswer,
	}
}
