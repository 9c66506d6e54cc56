package llmapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// Call is a completion that was asked for. It holds no key.
type Call struct {
	Seq         uint64        `json:"seq"` // from 1, in the order of answers
	Time        time.Time     `json:"time"`
	Model       string        `json:"model"`
	Messages    []llm.Message `json:"messages"`
	MaxTokens   int           `json:"max_tokens,omitempty"`
	Temperature float64       `json:"temperature,omitempty"`
	// Status is the HTTP status; 0 where there was no answer.
	Status int `json:"status"`
	// Fault is what went wrong on purpose.
	Fault Kind `json:"fault,omitempty"`
	// Text is what was answered.
	Text string `json:"text,omitempty"`
	// UserAgent is what the client calls itself.
	UserAgent string `json:"user_agent,omitempty"`
}

// record keeps a call, before it is answered, and returns its number.
func (a *API) record(r *http.Request, in request, c Call) uint64 {
	c.Time, c.Model, c.UserAgent = a.opts.Now(), in.Model, r.UserAgent()
	c.MaxTokens = max(in.MaxTokens, in.MaxCompletionTokens)
	if in.Temperature != nil {
		c.Temperature = *in.Temperature
	}
	for _, m := range in.Messages {
		c.Messages = append(c.Messages, llm.Message{Role: m.Role, Content: string(m.Content)})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seq++
	c.Seq = a.seq
	if len(a.calls) >= maxCalls {
		a.calls = slices.Delete(a.calls, 0, maxCalls/10)
	}
	a.calls = append(a.calls, c)
	return c.Seq
}

// Calls are the calls so far, oldest first. Of very many, the oldest are gone.
func (a *API) Calls() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}
