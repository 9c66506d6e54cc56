// Package llm is the port through which Chorus gets its text: what a provider
// is asked, what it answers and how it fails. Providers are in the packages
// below it; package llmtest is the suite that each of them passes.
package llm

import (
	"context"
	"time"
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
