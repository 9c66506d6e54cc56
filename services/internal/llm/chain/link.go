package chain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// Link is one provider of a chain.
type Link struct {
	// Name is what the provider is called in errors, metrics and usage.
	Name     string
	Provider llm.Provider
	Limits   Limits
}

// link is a provider with the state of its limits. It is safe for concurrent use.
type link struct {
	Link
	ledger   Ledger
	workers  bulkhead.Bulkhead[any]
	breaker  circuitbreaker.CircuitBreaker[any]
	requests *perMinute
	tokens   *perMinute
	pause    pause
	// usual is how many tokens an answer usually has.
	usual atomic.Int64
	// warned is the day, in Unix seconds, of which it was warned that the budget ends.
	warned atomic.Int64
}

func newLink(l Link, ledger Ledger, replicas func() int, metrics *Metrics, log *zap.Logger) *link {
	k := &link{
		Link: l, ledger: ledger,
		workers:  bulkhead.New[any](uint(l.Limits.Workers)),
		requests: newPerMinute(l.Limits.RequestsPerMinute, replicas),
		tokens:   newPerMinute(l.Limits.TokensPerMinute, replicas),
	}
	k.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(uint(l.Limits.BreakerFailures)).
		WithSuccessThreshold(1).
		WithDelay(l.Limits.BreakerDelay).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			metrics.breaker(l.Name, e.NewState)
			log.Warn("breaker of a text provider", zap.String("provider", l.Name), zap.Stringer("from", e.OldState), zap.Stringer("to", e.NewState))
		}).
		Build()
	return k
}

// refusal is why a link takes no call now, and when it may.
type refusal struct {
	reason string
	wait   time.Duration
	// full says that the wait is over when a worker is free.
	full bool
}

// The reasons, as metrics have them.
const (
	reasonBudget  = "budget"
	reasonPaused  = "paused"
	reasonBreaker = "breaker_open"
	reasonBusy    = "busy"
	reasonRate    = "rate_limit"
)

// breakerLook is how long a half-open breaker is waited for, whose one trial is
// under way.
const breakerLook = 200 * time.Millisecond

// backgroundPart is the part of a budget that calls in the background leave to
// the others.
const backgroundPart = 0.2

// idle tells whether the link would take a call, before a worker is asked for.
func (k *link) idle(now time.Time, background bool) *refusal {
	if !k.affords(now, background) {
		return &refusal{reason: reasonBudget, wait: usage.Day(now).Add(24 * time.Hour).Sub(now)}
	}
	if left := k.pause.left(now); left > 0 {
		return &refusal{reason: reasonPaused, wait: left}
	}
	if k.breaker.IsOpen() {
		if left := k.breaker.RemainingDelay(); left > 0 {
			return &refusal{reason: reasonBreaker, wait: left}
		}
	}
	return nil
}

func (k *link) affords(now time.Time, background bool) bool {
	if k.Limits.DailyTokens == 0 && k.Limits.DailyCost == 0 {
		return true
	}
	part := 1.0
	if background {
		part -= backgroundPart
	}
	spent := k.ledger.Spent(k.Name, now)
	return (k.Limits.DailyTokens == 0 || float64(spent.Tokens) < part*float64(k.Limits.DailyTokens)) &&
		(k.Limits.DailyCost == 0 || spent.Cost < part*k.Limits.DailyCost)
}

// enter lets a call that has a worker pass the rate limits and the breaker. What
// the breaker lets through must be recorded.
func (k *link) enter(promptTokens int) *refusal {
	giveBack, wait := k.requests.take(1)
	if wait > 0 {
		return &refusal{reason: reasonRate, wait: ceil(wait)}
	}
	tokensBack, wait := k.tokens.take(promptTokens + int(k.usual.Load()))
	if wait > 0 {
		giveBack()
		return &refusal{reason: reasonRate, wait: ceil(wait)}
	}
	if !k.breaker.TryAcquirePermit() {
		giveBack()
		tokensBack()
		return &refusal{reason: reasonBreaker, wait: max(k.breaker.RemainingDelay(), breakerLook)}
	}
	return nil
}

// call makes one call. That the provider took too long is its failure; that the
// caller's time is over is not.
func (k *link) call(ctx context.Context, r llm.Request) (llm.Response, error) {
	calling, cancel := context.WithTimeout(ctx, k.Limits.Timeout)
	defer cancel()
	answer, err := k.Provider.Generate(calling, r)
	if err != nil && calling.Err() != nil && ctx.Err() == nil {
		err = &llm.Error{Class: llm.ErrTransient, Provider: k.Name, Reason: fmt.Sprintf("no text within %v", k.Limits.Timeout)}
	}
	k.learn(ctx, answer, err)
	return answer, err
}

// learn takes from an outcome what it says about the provider.
func (k *link) learn(ctx context.Context, answer llm.Response, err error) {
	limits := answer.Limits
	var failed *llm.Error
	if errors.As(err, &failed) {
		limits = failed.Limits
	}
	now := time.Now()
	switch {
	case err != nil && ctx.Err() != nil:
		// A trial that says nothing is no reason to trust the provider again; but
		// outside of a trial nothing need be recorded.
		if k.breaker.IsHalfOpen() {
			k.breaker.RecordFailure()
		}
		return
	case ill(err):
		k.breaker.RecordFailure()
	default:
		k.breaker.RecordSuccess()
	}
	if errors.Is(err, llm.ErrThrottled) {
		k.pause.atLeast(now, max(failed.RetryAfter, throttledLeast))
	}
	for _, l := range []struct {
		llm.Limit
		need int
	}{{limits.Requests, 1}, {limits.Tokens, int(k.usual.Load())}} {
		if l.Known && l.Remaining < max(l.need, 1) && l.Reset > 0 {
			k.pause.atLeast(now, l.Reset)
		}
	}
	if err == nil && answer.Usage.CompletionTokens > 0 {
		const weight = 8 // of what was known before, in answers
		before := k.usual.Load()
		k.usual.Store(before + (int64(answer.Usage.CompletionTokens)-before)/weight + 1)
	}
}

// throttledLeast is how long a provider is left alone that does not say how long
// it wants to be.
const throttledLeast = time.Second

// ill tells failures that the next request will have too from what a provider
// says about one request. A rate limit has its own answer.
func ill(err error) bool {
	if errors.Is(err, llm.ErrTransient) {
		return true
	}
	var failed *llm.Error
	if !errors.As(err, &failed) || !errors.Is(err, llm.ErrPermanent) {
		return false
	}
	switch failed.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound:
		return true // a wrong key, no credit, no such model
	case http.StatusTooManyRequests:
		return true // OpenAI's way to say that there is no credit left
	}
	return false
}

// pause is until when a provider wants to be left alone. All calls keep to it, so
// that one answer is enough. It is safe for concurrent use.
type pause struct{ until atomic.Int64 } // Unix nanoseconds

func (p *pause) atLeast(now time.Time, d time.Duration) {
	until := now.Add(d).UnixNano()
	for {
		have := p.until.Load()
		if have >= until || p.until.CompareAndSwap(have, until) {
			return
		}
	}
}

func (p *pause) left(now time.Time) time.Duration { return time.Unix(0, p.until.Load()).Sub(now) }
