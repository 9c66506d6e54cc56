package llm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
)

func TestError(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("turn 7: %w", &llm.Error{
		Class: fail.Throttled, Provider: "groq", Status: 429, Code: "rate_limit_exceeded", RetryAfter: 3 * time.Second, Reason: "slow down",
	})
	if fail.ClassOf(err) != fail.Throttled {
		t.Errorf("%v has the wrong class", err)
	}
	want := "turn 7: llm provider groq: status 429 (rate_limit_exceeded): slow down; retry after 3s"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

// People read these errors: they name no class, no status of a success, and the advice once only.
func TestErrorsArePlain(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]llm.Error{
		"llm provider x: no text": {Class: fail.Permanent},
		"llm provider x: all of the answer went into thinking; raise generator.max_tokens": {
			Class: fail.Transient, Status: 200, Code: llm.CodeThinking, Reason: "all of the answer went into thinking", Advice: "raise generator.max_tokens",
		},
		"llm provider x: status 400 (unsupported_value): temperature is not supported; it is left out from now on": {
			Class: fail.Transient, Status: 400, Code: "unsupported_value", Reason: "temperature is not supported", Advice: "it is left out from now on",
		},
		"llm provider x: status 401 (invalid_api_key): Incorrect API key; check the key (llm.key)": {
			Class: fail.Permanent, Status: 401, Code: "invalid_api_key", Reason: "Incorrect API key", Advice: "check the key (llm.key)",
		},
	} {
		e.Provider = "x"
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if e.Advice != "" && strings.Contains(e.What(), e.Advice) {
			t.Errorf("the advice is in %q", e.What())
		}
	}
}
