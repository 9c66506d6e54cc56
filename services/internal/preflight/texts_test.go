package preflight_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/preflight"
)

// model answers calls one after the other; the last answer repeats.
type model struct {
	calls   []answer
	n       int
	request llm.Request
}

type answer struct {
	after time.Duration
	text  llm.Response
	err   error
}

func (m *model) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	a := m.calls[min(m.n, len(m.calls)-1)]
	m.n++
	m.request = r
	select {
	case <-time.After(a.after):
		return a.text, a.err
	case <-ctx.Done():
		return llm.Response{}, ctx.Err()
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	failure := func(e llm.Error) error {
		e.Provider = "p"
		return &e
	}
	text := llm.Response{Text: "Yes."}
	for name, test := range map[string]struct {
		calls []answer
		want  preflight.Status
		says  string // in Found or the remedy
		n     int
	}{
		"it writes":          {[]answer{{time.Second, text, nil}}, preflight.OK, "writes, after 1s", 1},
		"it is loaded first": {[]answer{{40 * time.Second, text, nil}, {time.Second, text, nil}}, preflight.OK, "took 40s", 2},
		"it is slow":         {[]answer{{40 * time.Second, text, nil}}, preflight.Failure, "raise llm.timeout", 2},
		"it never answers":   {[]answer{{time.Hour, text, nil}}, preflight.Failure, "within 5m0s → raise llm.load_timeout", 1},
		"its text is cut":    {[]answer{{0, llm.Response{Text: "Y", Truncated: true}, nil}}, preflight.Warning, "generator.max_tokens", 1},
		"it only thinks":     {[]answer{{0, llm.Response{}, failure(llm.Error{Status: 200, Code: llm.CodeThinking, Answered: true, Advice: "raise generator.max_tokens"})}}, preflight.Failure, "answers, but without a text", 1},
		"a part is left out": {[]answer{{0, llm.Response{}, failure(llm.Error{Status: 400, Answered: true, Again: true, Advice: "temperature is left out"})}, {0, text, nil}}, preflight.OK, "temperature is left out", 2},
		"it is refused":      {[]answer{{0, llm.Response{}, failure(llm.Error{Class: fail.Permanent, Status: 400, Advice: "lower generator.prompt_tokens"})}}, preflight.Failure, "→ lower generator.prompt_tokens", 1},
		"a wrong key":        {[]answer{{0, llm.Response{}, failure(llm.Error{Class: fail.Permanent, Status: 401})}}, preflight.Failure, "llm.key", 1},
		"a rate limit":       {[]answer{{0, llm.Response{}, failure(llm.Error{Class: fail.Throttled, Status: 429})}}, preflight.Warning, "quota", 1},
		"no credit": {[]answer{{0, llm.Response{}, failure(llm.Error{
			Class: fail.Permanent, Status: 429, Code: "insufficient_quota", Reason: "You exceeded your current quota", Advice: "add credit at the provider, or set llm.second",
		})}}, preflight.Failure, "refuses: status 429 (insufficient_quota): You exceeded your current quota → add credit at the provider, or set llm.second", 1},
		"it is overloaded":      {[]answer{{0, llm.Response{}, failure(llm.Error{Status: 503, Reason: "busy"})}}, preflight.Failure, "fails: status 503: busy → wait: it is tried again by itself", 1},
		"nothing of use":        {[]answer{{0, llm.Response{}, failure(llm.Error{Status: 200})}}, preflight.Failure, "answers, but with nothing of use", 1},
		"nobody at the address": {[]answer{{0, llm.Response{}, failure(llm.Error{Reason: "refused"})}}, preflight.Failure, "can't be reached", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &model{calls: test.calls}
				request := llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Content: "x"}}, MaxTokens: 300, Temperature: 0.9}
				found := preflight.Texts(t.Context(), preflight.Provider{Provider: m, Name: "p", Timeout: 30 * time.Second, LoadTimeout: 5 * time.Minute}, request)
				got := found[0].Found + " → " + found[0].Remedy
				if len(found) != 1 || found[0].Status != test.want || !strings.Contains(got, test.says) || m.n != test.n {
					t.Errorf("found %+v after %d calls, want %s with %q after %d", found, m.n, test.want, test.says, test.n)
				}
				if r := found[0].Remedy; r != "" && strings.Count(got, r) != 1 {
					t.Errorf("%q has the remedy twice", got)
				}
				if m.request.MaxTokens != 300 || m.request.Temperature != 0.9 {
					t.Errorf("asked %+v", m.request)
				}
			})
		})
	}
}
