// Package llm is the port through which Chorus gets its text: what a provider
// is asked, what it answers and how it fails. Providers are in the packages
// below it; package llmtest is the suite that each of them passes.
package llm

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
)

// Provider writes one text.
//
// Generate makes at most one outside call and never retries; only the chain, which is
// a Provider too, asks one provider after the other. It is safe for concurrent use and
// does not change the request or keep it.
//
// A failure is an *Error with its fail.Class, except that the end of ctx is returned as
// ctx's own error (errors.Is with context.Canceled or context.DeadlineExceeded). A
// provider's own time-out is fail.Transient and no context error. No error carries a key.
type Provider interface {
	Generate(ctx context.Context, r Request) (Response, error)
}

// Request is one text to write.
type Request struct {
	// Messages is the rendered prompt; of embeddings, the texts that are compared.
	Messages []Message
	// MaxTokens bounds the answer; 0 leaves the provider's default.
	MaxTokens int
	// Temperature is the sampling temperature; 0 leaves the provider's default.
	Temperature float64
	// About says what the text is for, and on whose account the call goes.
	About About
}

// Purpose is what a text is for.
type Purpose string

// The purposes.
const (
	PurposeText     Purpose = "text"
	PurposeRewrite  Purpose = "rewrite"  // a text that was objected to
	PurposeJudge    Purpose = "judge"    // whether a text contradicts a stance
	PurposeLikeness Purpose = "likeness" // whether a text says what another one said
	PurposeMemory   Purpose = "memory"
)

// Background tells that what it is for can be left undone: such a request waits for
// nothing, and leaves a part of each budget to the others.
func (p Purpose) Background() bool {
	return p == PurposeJudge || p == PurposeLikeness || p == PurposeMemory
}

// About is on whose account a call goes. The zero values of Turn and Bot are for
// calls that are about no turn, or no bot.
type About struct {
	Purpose Purpose
	Chat    int64
	Turn    int64
	Bot     int64
	// Prompt is the version of the prompt's templates.
	Prompt string
}

// Roles of a Message.
const (
	RoleSystem    = "system"
	RoleUser      = "user"
	RoleAssistant = "assistant"
)

// Message is one part of a rendered prompt.
type Message struct {
	Role    string // RoleSystem, RoleUser or RoleAssistant
	Content string
}

// Response is a text and what it took.
type Response struct {
	Text string
	// Truncated says that the text was cut off at the request's MaxTokens.
	Truncated bool
	// Embeddings are one vector for each message, all of one length, from a provider of
	// embeddings. Its answers have no text.
	Embeddings [][]float32
	Provider   string
	Model      string
	Usage      Usage
	Limits     Limits // what the provider said about its rate limits
	Offline    bool   // composed without a model; the user is shown this
}

// Usage is the cost of one call. Token counts are 0 where the provider gives none.
type Usage struct {
	PromptTokens     int
	CompletionTokens int
	Latency          time.Duration
}

// CodeThinking is the Code of an answer in which a model thinks and says nothing.
const CodeThinking = "thinking"

// CodeEmpty is the Code of an answer that has no text, and no other reason for that.
const CodeEmpty = "empty"

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
	Remaining int
	Reset     time.Duration // until the window is full again; 0 where not sent
}
