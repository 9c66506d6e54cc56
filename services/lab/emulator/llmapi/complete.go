package llmapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

const (
	tooLong       = 20_000 // characters
	charsPerToken = 4
)

func (a *API) complete(w http.ResponseWriter, r *http.Request) {
	in, status, err := a.read(w, r)
	if p := (problem{}); errors.As(err, &p) {
		a.record(r, in, Call{Status: status})
		fail(w, status, p)
		return
	}
	fault := a.hit()
	if fault == nil {
		fault = &Fault{}
	}
	a.play(w, r, in, fault)
}

// play answers a call as its fault wants it; the zero fault answers rightly.
func (a *API) play(w http.ResponseWriter, r *http.Request, in request, f *Fault) {
	refuse := func(status int, p problem) {
		a.record(r, in, Call{Status: status, Fault: f.Kind})
		fail(w, status, p)
	}
	switch f.Kind {
	case Unauthorized:
		refuse(http.StatusUnauthorized, errWrongKey)
	case RateLimited:
		limitHeaders(w.Header(), 0, time.Duration(f.RetryAfter))
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(time.Duration(f.RetryAfter)/time.Second)))
		}
		refuse(http.StatusTooManyRequests, problem{
			Message: "Rate limit reached for requests. Please try again later.", Type: "requests", Code: new("rate_limit_exceeded"),
		})
	case NoCredit:
		refuse(http.StatusTooManyRequests, problem{
			Message: "You exceeded your current quota, please check your plan and billing details.",
			Type:    "insufficient_quota", Code: new("insufficient_quota"),
		})
	case ServerError:
		refuse(http.StatusInternalServerError, problem{Message: "The server had an error while processing your request.", Type: "server_error"})
	case BadGateway:
		a.record(r, in, Call{Status: http.StatusBadGateway, Fault: f.Kind})
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html><body><h1>502 Bad Gateway</h1></body></html>")
	case Hang:
		a.record(r, in, Call{Fault: f.Kind})
		<-r.Context().Done()
	case Reset:
		a.record(r, in, Call{Fault: f.Kind})
		panic(http.ErrAbortHandler) // net/http's own way to break a connection
	case Malformed:
		a.record(r, in, Call{Status: http.StatusOK, Fault: f.Kind})
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"chatcmpl-1","object":"chat.completion","choices":[{"mess`)
	case Slow:
		timer := time.NewTimer(time.Duration(f.Delay))
		defer timer.Stop()
		select {
		case <-timer.C:
			a.succeed(w, r, in, f)
		case <-r.Context().Done():
			a.record(r, in, Call{Fault: f.Kind})
		}
	case NoChoices, Empty, Filtered, TooLong, "":
		a.succeed(w, r, in, f)
	}
}

// succeed responds with status 200, also with useless text.
func (a *API) succeed(w http.ResponseWriter, r *http.Request, in request, f *Fault) {
	text := a.text(in)
	reason := "stop"
	switch f.Kind {
	case Empty:
		text = ""
	case Filtered:
		text, reason = "", "content_filter"
	case TooLong:
		text = strings.Repeat(text+" ", tooLong/(len(text)+1)+1)[:tooLong]
	default:
	}
	seq := a.record(r, in, Call{Status: http.StatusOK, Fault: f.Kind, Text: text})
	out := completion{
		ID: fmt.Sprintf("chatcmpl-%d", seq), Object: "chat.completion", Created: a.opts.Now().Unix(), Model: in.Model,
		Choices: []choice{{Message: said{Role: "assistant", Content: text}, FinishReason: reason}},
	}
	if f.Kind == NoChoices {
		out.Choices = []choice{}
	}
	for _, m := range in.Messages {
		out.Usage.PromptTokens += tokens(string(m.Content))
	}
	out.Usage.CompletionTokens = tokens(text)
	out.Usage.TotalTokens = out.Usage.PromptTokens + out.Usage.CompletionTokens
	limitHeaders(w.Header(), 999, 60*time.Millisecond)
	answer(w, http.StatusOK, out)
}

func tokens(s string) int { return (len(s) + charsPerToken - 1) / charsPerToken }

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
	// Fault is the intended fault.
	Fault Kind `json:"fault,omitempty"`
	// Text is the text of the response.
	Text string `json:"text,omitempty"`
	// UserAgent is the client's User-Agent.
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
