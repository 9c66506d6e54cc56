package llm

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
)

// CodeThinking is the Code of an answer in which a model thinks and says nothing.
const CodeThinking = "thinking"

// Error is a provider's failure. It never contains a key.
type Error struct {
	// Class is fail.Permanent where the same request fails in the same way at this
	// provider (a bad key, a bad request, a refusal, no credit), fail.Throttled for a rate
	// limit, and else fail.Transient (a time-out, a broken connection, a 5xx, an answer
	// that can't be read).
	Class fail.Class
	// Provider is the configured name of the provider.
	Provider string
	// Status is the HTTP status, or that which the body of a 200 has; 0 where there
	// was none.
	Status int
	// Code is the provider's own word for the failure ("invalid_api_key",
	// "content_filter"), or "".
	Code string
	// RetryAfter is how long a throttled provider wants to be left alone; 0
	// where it didn't say.
	RetryAfter time.Duration
	// Limits is what the provider said about its rate limits.
	Limits Limits
	// Reason says in words what happened.
	Reason string
	// Advice says which setting to change, or "".
	Advice string
	// Answered says that the provider is well and only this answer is of no use:
	// another request may do better.
	Answered bool
	// Again says that the provider has learned from the refusal what it must leave
	// out: the same request may be made again at once.
	Again bool
	// Usage is what the failed call took, where the provider said so.
	Usage Usage
}

// Error returns one line: provider, what happened, advice.
func (e *Error) Error() string {
	text := "llm provider " + e.Provider + ": " + e.What()
	if e.Advice != "" {
		text += "; " + e.Advice
	}
	return text
}

// What returns what happened in one line, without the advice. The class stays out of
// it: that of a provider's failure says nothing about the turn, which may be tried
// again whatever it is.
func (e *Error) What() string {
	var parts []string
	if e.Status >= http.StatusBadRequest || e.Reason == "" && e.Status != 0 {
		status := fmt.Sprintf("status %d", e.Status)
		if e.Code != "" {
			status += " (" + e.Code + ")"
		}
		parts = append(parts, status)
	}
	if e.Reason != "" {
		parts = append(parts, e.Reason)
	}
	text := strings.Join(parts, ": ")
	if text == "" {
		text = "no text"
	}
	if e.RetryAfter > 0 {
		text += fmt.Sprintf("; retry after %s", e.RetryAfter)
	}
	return text
}

// Failure implements fail.Classified.
func (e *Error) Failure() fail.Class { return e.Class }

// Limits is what x-ratelimit-* headers said. The zero value means that they
// said nothing.
type Limits struct {
	Requests Limit
	Tokens   Limit
}

// Limit is one rate limit as a provider sees it after a call.
type Limit struct {
	Known     bool // the provider sent how much remains
	Max       int  // per window; 0 where not sent
	Remaining int
	Reset     time.Duration // until the window is full again; 0 where not sent
}
