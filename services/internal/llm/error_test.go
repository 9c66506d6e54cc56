package llm_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

func TestError(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("turn 7: %w", &llm.Error{
		Class: llm.ErrThrottled, Provider: "groq", Status: 429, Code: "rate_limit_exceeded", RetryAfter: 3 * time.Second, Reason: "slow down",
	})
	if !errors.Is(err, llm.ErrThrottled) || errors.Is(err, llm.ErrTransient) {
		t.Errorf("%v is of the wrong class", err)
	}
	want := "turn 7: llm provider groq: throttled: status 429 (rate_limit_exceeded): slow down; retry after 3s"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if got := (&llm.Error{Class: llm.ErrPermanent, Provider: "x"}).Error(); got != "llm provider x: permanent" {
		t.Errorf("got %q", got)
	}
}
