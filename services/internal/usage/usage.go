// Package usage keeps account of the calls to text providers: a row for each
// call, and what each provider was used for on a day, which budgets are about.
package usage

import (
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// Written is the outcome of a call that gave a text.
const Written = "written"

// Call is one call to a provider.
type Call struct {
	llm.About

	At               time.Time
	Provider, Model  string
	PromptTokens     int
	CompletionTokens int
	// Cost is in the currency that the prices are given in.
	Cost    float64
	Latency time.Duration
	// Outcome is Written, or how the call failed in a word.
	Outcome string
}

// Spent is what a provider was used for on a day.
type Spent struct {
	Tokens int64
	Cost   float64
}

func (s Spent) plus(c Call) Spent {
	return Spent{Tokens: s.Tokens + int64(c.PromptTokens) + int64(c.CompletionTokens), Cost: s.Cost + c.Cost}
}

// Day is the day that a time belongs to: budgets begin anew at midnight UTC.
func Day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
