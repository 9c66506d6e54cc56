package openai_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/llmtest"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
	"github.com/chorus-cast/chorus/services/lab/emulator/jsontime"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-very-secret-1234567890"

// stub starts a server with faults.
func stub(t *testing.T, faults ...llmapi.Fault) (*llmapi.API, string) {
	t.Helper()
	api, err := llmapi.New(llmapi.Options{Key: secret.New(key), Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	return api, serve(t, api)
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/v1"
}

func config(url string) openai.Config {
	c := openai.Default()
	c.BaseURL, c.Model, c.Key = url, llmapi.DefaultModel, secret.New(key)
	return c
}

func provider(t *testing.T, c openai.Config) *openai.Provider {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p, err := openai.New(c, &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func failing(kind llmapi.Kind) llmtest.New {
	return func(t *testing.T) llm.Provider {
		t.Helper()
		_, url := stub(t, llmapi.Fault{Kind: kind, RetryAfter: jsontime.Duration(7 * time.Second)})
		return provider(t, config(url))
	}
}

func with(change func(c *openai.Config)) llmtest.New {
	return func(t *testing.T) llm.Provider {
		t.Helper()
		_, url := stub(t)
		c := config(url)
		change(&c)
		return provider(t, c)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	llmtest.Run(t, llmtest.Suite{
		Works: with(func(*openai.Config) {}),
		Hangs: failing(llmapi.Hang),
		GivesUp: func(t *testing.T) llm.Provider {
			t.Helper()
			_, url := stub(t, llmapi.Fault{Kind: llmapi.Hang})
			c := config(url)
			c.Timeout = 50 * time.Millisecond
			return provider(t, c)
		},
		Secret: key,
		Fails: map[string]llmtest.Failure{
			"a wrong key": {
				New: with(func(c *openai.Config) { c.Key = secret.New("wrong") }), Class: fail.Permanent, Status: http.StatusUnauthorized,
			},
			"an unknown model":      {New: with(func(c *openai.Config) { c.Model = "x" }), Class: fail.Permanent, Status: http.StatusNotFound},
			"a refused key":         {New: failing(llmapi.Unauthorized), Class: fail.Permanent, Status: http.StatusUnauthorized},
			"a rate limit":          {New: failing(llmapi.RateLimited), Class: fail.Throttled, Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second},
			"no credit":             {New: failing(llmapi.NoCredit), Class: fail.Permanent, Status: http.StatusTooManyRequests},
			"a server error":        {New: failing(llmapi.ServerError), Class: fail.Transient, Status: http.StatusInternalServerError},
			"a proxy's HTML":        {New: failing(llmapi.BadGateway), Class: fail.Transient, Status: http.StatusBadGateway},
			"a broken connection":   {New: failing(llmapi.Reset), Class: fail.Transient},
			"half of an answer":     {New: failing(llmapi.Malformed), Class: fail.Transient, Status: http.StatusOK},
			"no choices":            {New: failing(llmapi.NoChoices), Class: fail.Transient, Status: http.StatusOK},
			"an empty text":         {New: failing(llmapi.Empty), Class: fail.Transient, Status: http.StatusOK},
			"a content filter":      {New: failing(llmapi.Filtered), Class: fail.Permanent, Status: http.StatusOK},
			"an answer of any size": {New: endless, Class: fail.Transient, Status: http.StatusOK},
			"nobody at the address": {New: nobody, Class: fail.Transient},
			"an echo of the key":    {New: echoing, Class: fail.Permanent, Status: http.StatusBadRequest},
		},
	})
}

// endless returns a provider whose answer is longer than allowed.
func endless(t *testing.T) llm.Provider {
	t.Helper()
	_, url := stub(t, llmapi.Fault{Kind: llmapi.TooLong})
	c := config(url)
	c.MaxAnswerBytes = 2048
	return provider(t, c)
}

func nobody(t *testing.T) llm.Provider {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return provider(t, config(s.URL+"/v1"))
}

// echoing returns a provider whose error repeats the caller's key, as some proxies do.
func echoing(t *testing.T) llm.Provider {
	t.Helper()
	return provider(t, config(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, `{"error":{"message":"bad header `+r.Header.Get("Authorization")+`"}}`, http.StatusBadRequest)
	}))))
}

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	api, url := stub(t)
	r, err := provider(t, config(url)).Generate(t.Context(), llmtest.Request())
	if err != nil {
		t.Fatal(err)
	}
	calls := api.Calls()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want 1", len(calls))
	}
	got := calls[0]
	if diff := cmp.Diff(llmtest.Request().Messages, got.Messages); diff != "" {
		t.Errorf("messages (-asked +got):\n%s", diff)
	}
	if got.MaxTokens != 200 || got.Temperature != 0.7 || got.Model != llmapi.DefaultModel {
		t.Errorf("got %d tokens, temperature %v, model %q", got.MaxTokens, got.Temperature, got.Model)
	}
	if r.Text != got.Text || r.Usage.PromptTokens == 0 || r.Usage.CompletionTokens == 0 || !r.Limits.Requests.Known {
		t.Errorf("response %+v doesn't fit the answer %q", r, got.Text)
	}
}

func TestNeverRetries(t *testing.T) {
	t.Parallel()
	for _, kind := range []llmapi.Kind{llmapi.ServerError, llmapi.RateLimited, llmapi.Reset, llmapi.BadGateway} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			api, url := stub(t, llmapi.Fault{Kind: kind})
			if _, err := provider(t, config(url)).Generate(t.Context(), llmtest.Request()); err == nil {
				t.Fatal("got no error")
			}
			if n := len(api.Calls()); n != 1 {
				t.Errorf("%d calls for one text, want 1", n)
			}
		})
	}
}

func TestNothingToSay(t *testing.T) {
	t.Parallel()
	p := provider(t, config("http://127.0.0.1:1/v1"))
	for name, r := range map[string]llm.Request{
		"no messages":  {},
		"unknown role": {Messages: []llm.Message{{Role: "narrator", Content: "Hush."}}},
	} {
		if _, err := p.Generate(context.Background(), r); fail.ClassOf(err) != fail.Permanent {
			t.Errorf("%s: got %v, want an ErrPermanent", name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*openai.Config)
		want   string
	}{
		"no URL":         {func(c *openai.Config) { c.BaseURL = "" }, "url: is empty"},
		"no scheme":      {func(c *openai.Config) { c.BaseURL = "api.example.org/v1" }, "url: must begin with"},
		"key in URL":     {func(c *openai.Config) { c.BaseURL = "https://me:" + key + "@example.org/v1" }, "url: must have no user"},
		"no model":       {func(c *openai.Config) { c.Model = "" }, "model: is empty"},
		"no time-out":    {func(c *openai.Config) { c.Timeout = 0 }, "timeout: 0s, want more than 0s"},
		"odd field":      {func(c *openai.Config) { c.MaxTokensField = "limit" }, `max_tokens_field: "limit", want max_tokens or`},
		"tiny answers":   {func(c *openai.Config) { c.MaxAnswerBytes = 5 }, "max_answer_bytes: 5, want 1024 or more"},
		"everything bad": {func(c *openai.Config) { *c = openai.Config{} }, "name: is empty"},
	} {
		cfg := config("http://127.0.0.1:1/v1")
		c.change(&cfg)
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error carries the key", name)
		}
	}
	if err := config("http://127.0.0.1:1/v1").Validate(); err != nil {
		t.Errorf("got %v for a good configuration", err)
	}
}
