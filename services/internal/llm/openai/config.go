package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Config configures a Provider.
type Config struct {
	// Name is the provider's name in errors, metrics and usage.
	Name string
	// BaseURL is the API's address with its version path, such as https://api.openai.com/v1 or
	// http://127.0.0.1:11434/v1.
	BaseURL string
	// Model is the model's name as the API knows it.
	Model string
	// Key is sent as a bearer token; "" sends none (Ollama, vLLM).
	Key secret.String
	// Timeout limits one call, from dialling to the last byte.
	Timeout time.Duration
	// MaxTokensField is the request field for the limit of the answer: "max_tokens", which nearly
	// every server knows, or "max_completion_tokens", which OpenAI's reasoning models need.
	MaxTokensField string
	// MaxAnswerBytes limits the body that is read into memory.
	MaxAnswerBytes int64
	// Extra holds further fields of the request, as a JSON object; "" is none.
	Extra string
}

// Fields that Config.MaxTokensField may name.
const (
	FieldMaxTokens           = "max_tokens"
	FieldMaxCompletionTokens = "max_completion_tokens"
)

// Default returns a configuration that only lacks BaseURL and Model.
func Default() Config {
	return Config{
		Name:           "openai",
		Timeout:        30 * time.Second,
		MaxTokensField: FieldMaxTokens,
		MaxAnswerBytes: 1 << 20,
	}
}

// Validate joins all errors.
func (c Config) Validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("name: is empty"))
	}
	errs = append(errs, validateURL(c.BaseURL))
	if c.Model == "" {
		errs = append(errs, errors.New("model: is empty, want a model's name as the API knows it"))
	}
	if c.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout: %s, want more than 0s", c.Timeout))
	}
	if c.MaxTokensField != FieldMaxTokens && c.MaxTokensField != FieldMaxCompletionTokens {
		errs = append(errs, fmt.Errorf("max_tokens_field: %q, want %s or %s",
			c.MaxTokensField, FieldMaxTokens, FieldMaxCompletionTokens))
	}
	if c.MaxAnswerBytes < 1024 {
		errs = append(errs, fmt.Errorf("max_answer_bytes: %d, want 1024 or more", c.MaxAnswerBytes))
	}
	_, err := c.extra()
	return errors.Join(append(errs, err)...)
}

// reserved holds the fields that Extra must not have, with the reason.
//
//nolint:gochecknoglobals // constant
var reserved = map[string]string{
	"model": "it is llm.model", "messages": "they are the prompt", "stream": "answers are read as a whole", "n": "one answer is asked for",
	FieldMaxTokens: "it is generator.max_tokens", FieldMaxCompletionTokens: "it is generator.max_tokens", "input": "it is what is asked for",
}

// extra parses Extra.
func (c Config) extra() (map[string]any, error) {
	if strings.TrimSpace(c.Extra) == "" {
		return nil, nil //nolint:nilnil // none
	}
	var fields map[string]any
	in := json.NewDecoder(strings.NewReader(c.Extra))
	in.UseNumber()
	if err := in.Decode(&fields); err != nil || fields == nil || in.More() {
		return nil, errors.New(`extra: is no JSON object, want one such as {"reasoning_effort":"none"}`)
	}
	for name := range fields {
		if why, is := reserved[strings.ToLower(name)]; is {
			return nil, fmt.Errorf("extra: has the field %s, which can't be set here: %s", name, why)
		}
	}
	return fields, nil
}

// validateURL never repeats the URL: people put keys into it.
func validateURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return errors.New("url: is empty, want an address such as https://api.openai.com/v1")
	case err != nil:
		return errors.New("url: is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("url: must begin with http:// or https://")
	case u.Host == "":
		return errors.New("url: has no host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("url: must have no user, query or fragment (the key has its own field)")
	}
	return nil
}
