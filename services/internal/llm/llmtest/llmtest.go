// Package llmtest is the conformance suite that every text provider passes.
package llmtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
)

// New returns a provider for one test.
type New func(t *testing.T) llm.Provider

// Suite describes a kind of provider. Only Works must be set.
type Suite struct {
	// Works answers.
	Works New
	// Deterministic means that the same request gets the same text.
	Deterministic bool
	// Hangs waits for an answer longer than the test.
	Hangs New
	// GivesUp gets no answer and has a timeout of its own.
	GivesUp New
	// Fails holds providers that fail, with the class of their failure.
	Fails map[string]Failure
	// Secret must not be in any error.
	Secret string
}

// Failure is a provider that fails.
type Failure struct {
	New   New
	Class fail.Class
	// Status and RetryAfter are the expected fields of the *llm.Error.
	Status     int
	RetryAfter time.Duration
}

// promptly limits the time for anything that should happen at once.
const promptly = 10 * time.Second

// Run runs the suite. Its tests are parallel.
func Run(t *testing.T, s Suite) {
	t.Helper()
	t.Run("answers", s.answers)
	t.Run("leaves the request alone", s.leavesRequest)
	t.Run("works concurrently", s.concurrently)
	t.Run("returns the end of its context", s.contextOver)
	if s.Deterministic {
		t.Run("repeats itself for the same request", s.repeats)
	}
	if s.Hangs != nil {
		t.Run("stops when its context ends", s.contextEnds)
	}
	if s.GivesUp != nil {
		t.Run("tells its own time-out from the caller's", s.timesOut)
	}
	for name, f := range s.Fails {
		t.Run("fails by "+name, func(t *testing.T) { s.fails(t, f) })
	}
}

// Request returns a request that every provider can answer.
func Request() llm.Request {
	return llm.Request{
		Messages: []llm.Message{
			{Role: llm.RoleSystem, Content: "You are Anna, a librarian."},
			{Role: llm.RoleAssistant, Content: "I am reading."},
			{Role: llm.RoleUser, Content: "Why does everyone love long novels?"},
		},
		MaxTokens: 200, Temperature: 0.7,
	}
}

func (s Suite) answers(t *testing.T) {
	t.Parallel()
	r, err := s.Works(t).Generate(t.Context(), Request())
	if err != nil {
		t.Fatal(err)
	}
	if r.Text == "" || r.Text != strings.TrimSpace(r.Text) || !utf8.ValidString(r.Text) {
		t.Errorf("text %q, want valid UTF-8 without white space around it", r.Text)
	}
	if r.Provider == "" || r.Model == "" {
		t.Errorf("provider %q, model %q, want both named", r.Provider, r.Model)
	}
	if r.Usage.Latency < 0 || r.Usage.PromptTokens < 0 || r.Usage.CompletionTokens < 0 {
		t.Errorf("usage %+v is negative", r.Usage)
	}
}

func (s Suite) leavesRequest(t *testing.T) {
	t.Parallel()
	r := Request()
	if _, err := s.Works(t).Generate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Request(), r); diff != "" {
		t.Errorf("the request was changed (-before +after):\n%s", diff)
	}
}

// concurrently also shows, with -race, that providers keep no request: it changes each one as soon
// as the call returns.
func (s Suite) concurrently(t *testing.T) {
	t.Parallel()
	p := s.Works(t)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			r := Request()
			if _, err := p.Generate(t.Context(), r); err != nil {
				t.Error(err)
			}
			r.Messages[0].Content = ""
		})
	}
	wg.Wait()
}

func (s Suite) repeats(t *testing.T) {
	t.Parallel()
	var texts []string
	for range 2 { // on two providers
		p := s.Works(t)
		for range 3 {
			r, err := p.Generate(t.Context(), Request())
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, r.Text)
		}
	}
	for _, text := range texts[1:] {
		if text != texts[0] {
			t.Errorf("the same request gave %q and %q", texts[0], text)
		}
	}
}

func (s Suite) contextOver(t *testing.T) {
	t.Parallel()
	p := s.Works(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancelLate()
	for _, ctx := range []context.Context{canceled, late} {
		_, err := p.Generate(ctx, Request())
		s.wantContextError(t, err, ctx.Err())
	}
}

func (s Suite) contextEnds(t *testing.T) {
	t.Parallel()
	p := s.Hangs(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := p.Generate(ctx, Request())
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("got %v from a provider that hangs", err)
	default:
	}
	cancel()
	select {
	case err := <-done:
		s.wantContextError(t, err, context.Canceled)
	case <-time.After(promptly):
		t.Fatal("went on after its context had ended")
	}
}

func (s Suite) timesOut(t *testing.T) {
	t.Parallel()
	_, err := s.GivesUp(t).Generate(t.Context(), Request())
	if fail.ClassOf(err) != fail.Transient {
		t.Errorf("got %v, want a transient error", err)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("%v looks like the end of the caller's context", err)
	}
	s.wantNoSecret(t, err)
}

func (s Suite) fails(t *testing.T, f Failure) {
	t.Parallel()
	r, err := f.New(t).Generate(t.Context(), Request())
	var e *llm.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v and %+v, want an *llm.Error", err, r)
	}
	if r.Text != "" {
		t.Errorf("got the text %q with a failure", r.Text)
	}
	if e.Class != f.Class {
		t.Errorf("%v: is %v, want %v", err, e.Class, f.Class)
	}
	if e.Status != f.Status || e.RetryAfter != f.RetryAfter {
		t.Errorf("status %d, retry after %v; want %d, %v", e.Status, e.RetryAfter, f.Status, f.RetryAfter)
	}
	if e.Provider == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q: want one line that names the provider", err)
	}
	s.wantNoSecret(t, err)
}

func (s Suite) wantContextError(t *testing.T, got, want error) {
	t.Helper()
	var e *llm.Error
	if !errors.Is(got, want) || errors.As(got, &e) {
		t.Errorf("got %v, want %v as it is", got, want)
	}
	s.wantNoSecret(t, got)
}

func (s Suite) wantNoSecret(t *testing.T, err error) {
	t.Helper()
	if s.Secret != "" && err != nil && strings.Contains(err.Error(), s.Secret) {
		t.Error("an error carries the key")
	}
}
