// Package llm is the port to text providers: the request, the response and the errors. Providers
// are in the packages below it; package llmtest is the suite that each of them passes.
package llm

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
)

// Provider generates one text.
//
// Generate makes at most one outside call and never retries; only the chain, which is a Provider
// too, asks several providers. It is safe for concurrent use, and doesn't change or keep the
// request.
//
// A failure is an *Error with its fail.Class, except that the end of ctx is returned as ctx's own
// error (errors.Is with context.Canceled or context.DeadlineExceeded). A provider's own timeout is
// fail.Transient and no context error. No error contains a key.
type Provider interface {
	Generate(ctx context.Context, r Request) (Response, error)
}

// Request asks for one text.
type Request struct {
	// Messages is the rendered prompt; for embeddings, the texts to compare.
	Messages []Message
	// MaxTokens limits the answer; 0 leaves the provider's default.
	MaxTokens int
	// Temperature is the sampling temperature; 0 leaves the provider's default.
	Temperature float64
	// About attributes the call to its purpose, chat, turn and bot.
	About About
}

// Purpose is the purpose of a request.
type Purpose string

// The purposes.
const (
	PurposeText     Purpose = "text"
	PurposeRewrite  Purpose = "rewrite"  // a text after an objection
	PurposeJudge    Purpose = "judge"    // whether a text contradicts a stance
	PurposeLikeness Purpose = "likeness" // whether two texts mean the same
	PurposeMemory   Purpose = "memory"
)

// Background reports whether the purpose is optional: such a request doesn't wait, and leaves a
// part of each budget to the others.
func (p Purpose) Background() bool {
	return p == PurposeJudge || p == PurposeLikeness || p == PurposeMemory
}

// About attributes a call. Turn and Bot are zero for calls that belong to no turn, or no bot.
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

// Response is a text and the call's usage.
type Response struct {
	Text string
	// Truncated reports that the text was cut off at the request's MaxTokens.
	Truncated bool
	// Embeddings has one vector for each message, all of one length, from a provider of embeddings.
	// Such answers have no text.
	Embeddings [][]float32
	Provider   string
	Model      string
	Usage      Usage
	Limits     Limits // from the provider's headers
	Offline    bool   // composed without a model; the user is shown this
}

// Usage is the cost of one call. Token counts are 0 if the provider reports none.
type Usage struct {
	PromptTokens     int
	CompletionTokens int
	Latency          time.Duration
}

// CodeThinking is the Code of an answer with thoughts but no text.
const CodeThinking = "thinking"

// CodeEmpty is the Code of an answer without a text and without another reason.
const CodeEmpty = "empty"

// Error is a provider's failure. It never contains a key.
type Error struct {
	// Class is fail.Permanent if the same request must fail again at this provider (a bad key, a
	// bad request, a refusal, no credit), fail.Throttled for a rate limit, and else fail.Transient
	// (a timeout, a broken connection, a 5xx, an unreadable answer).
	Class fail.Class
	// Provider is the configured name of the provider.
	Provider string
	// Status is the HTTP status, or the status in the body of a 200; 0 if there was none.
	Status int
	// Code is the provider's own word for the failure ("invalid_api_key", "content_filter"), or "".
	Code string
	// RetryAfter is the wait that a throttled provider asks for; 0 if it doesn't say.
	RetryAfter time.Duration
	// Limits holds what the provider said about its rate limits.
	Limits Limits
	// Reason describes the failure in words.
	Reason string
	// Advice names the setting to change, or is "".
	Advice string
	// Answered reports that the provider works and only this answer is useless: another request may
	// do better.
	Answered bool
	// Again reports that the provider has learned from the refusal what to leave out: the same
	// request may be made again at once.
	Again bool
	// Usage is the usage of the failed call, if the provider reported it.
	Usage Usage
}

// Error returns one line: the provider, the failure, the advice.
func (e *Error) Error() string {
	text := "llm provider " + e.Provider + ": " + e.What()
	if e.Advice != "" {
		text += "; " + e.Advice
	}
	return text
}

// What returns the failure in one line, without the advice. It leaves out the class, which would
// mislead: it is about the provider, and the turn may be tried again whatever it is.
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

// Limits holds the values of x-ratelimit-* headers. The zero value means that there were none.
type Limits struct {
	Requests Limit
	Tokens   Limit
}

// Limit is one rate limit as a provider reports it after a call.
type Limit struct {
	Known     bool // the provider reported what remains
	Remaining int
	Reset     time.Duration // until the window is full again; 0 if not reported
}
