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

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
)

// Link is one provider of a chain.
type Link struct {
	// Name names the provider in errors, metrics and usage.
	Name string
	// Model is the model that it is asked for; empty for a provider without models.
	Model    string
	Provider llm.Provider
	Limits   Limits
}

// link is a provider with the state of its limits. It is safe for concurrent use.
type link struct {
	Link
	ledger   Ledger
	day      func() time.Time // now by the clock of budgets
	workers  bulkhead.Bulkhead[any]
	breaker  circuitbreaker.CircuitBreaker[any]
	resting  resting
	changed  atomic.Int64 // time of the breaker's last change, in Unix milliseconds
	requests *perMinute
	tokens   *perMinute
	throttle throttle
	load     load
	// usual is the average number of tokens of an answer.
	usual atomic.Int64
	// warned is the day, in Unix seconds, of the last warning about the budget.
	warned atomic.Int64
	// spent is the time since which the budget is used up, in Unix milliseconds; 0 if it isn't.
	spent atomic.Int64
}

func newLink(l Link, deps Deps) *link {
	k := &link{
		Link: l, ledger: deps.Ledger, day: deps.Now,
		workers:  bulkhead.New[any](uint(l.Limits.Workers)),
		requests: newPerMinute(l.Limits.RequestsPerMinute, deps.Replicas),
		tokens:   newPerMinute(l.Limits.TokensPerMinute, deps.Replicas),
	}
	k.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(uint(l.Limits.BreakerFailures)).
		WithSuccessThreshold(1).
		WithDelay(l.Limits.BreakerDelay).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			k.changed.Store(time.Now().UnixMilli())
			deps.Metrics.breaker(l.Name, e.NewState)
			log := deps.Log.With(zap.String("provider", l.Name))
			switch e.NewState {
			case circuitbreaker.OpenState:
				k.resting.begin(log, l.Limits.BreakerDelay)
			case circuitbreaker.ClosedState:
				k.resting.end(log)
			case circuitbreaker.HalfOpenState:
			}
		}).
		Build()
	return k
}

// refusal says why a link takes no call now, and how long to wait.
type refusal struct {
	reason string
	wait   time.Duration
	// full reports that the wait ends when a worker is free.
	full bool
}

// The reasons, as labels of metrics.
const (
	reasonBudget  = "budget"
	reasonPaused  = "paused"
	reasonBreaker = "breaker_open"
	reasonBusy    = "busy"
	reasonRate    = "rate_limit"
	reasonLoading = "loading"
)

// breakerLook is the wait while a half-open breaker has its trial call in flight.
const breakerLook = 200 * time.Millisecond

// backgroundPart is the part of a budget that background calls leave to others.
const backgroundPart = 0.2

// idle returns why the link would take no call, before a worker is acquired; nil if it would.
func (k *link) idle(now time.Time, background bool) *refusal {
	if day := k.day(); !k.affords(day, background) {
		if !background {
			k.spent.CompareAndSwap(0, day.UnixMilli())
		}
		return &refusal{reason: reasonBudget, wait: nextDay(day).Sub(day)}
	}
	k.spent.Store(0)
	if left := k.throttle.left(now); left > 0 {
		return &refusal{reason: reasonPaused, wait: left}
	}
	if _, loads := k.load.outlasts(now, k.Limits.Timeout); loads {
		return &refusal{reason: reasonLoading, wait: busyLook}
	}
	if left := k.rests(now); left > 0 {
		return &refusal{reason: reasonBreaker, wait: left}
	}
	return nil
}

// rests returns how long the breaker stays open: the configured delay at first, longer after each
// trial that failed.
func (k *link) rests(now time.Time) time.Duration {
	if !k.breaker.IsOpen() {
		return 0
	}
	return max(k.breaker.RemainingDelay(), k.resting.left(now))
}

func (k *link) affords(now time.Time, background bool) bool {
	if !k.Limits.budgeted() {
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

// enter passes a call that has a worker through the rate limits, the throttle and the breaker. If
// it succeeds, the caller must call learn with the round.
func (k *link) enter(promptTokens int) (round int, refused *refusal) {
	giveBack, wait := k.requests.take(1)
	if wait > 0 {
		return 0, &refusal{reason: reasonRate, wait: ceil(wait)}
	}
	tokensBack, wait := k.tokens.take(promptTokens + int(k.usual.Load()))
	if wait > 0 {
		giveBack()
		return 0, &refusal{reason: reasonRate, wait: ceil(wait)}
	}
	round, ok := k.throttle.enter(time.Now())
	if !ok {
		giveBack()
		tokensBack()
		return 0, &refusal{reason: reasonPaused, wait: breakerLook}
	}
	if left := k.rests(time.Now()); left > 0 || !k.breaker.TryAcquirePermit() {
		k.throttle.leave(round)
		giveBack()
		tokensBack()
		return 0, &refusal{reason: reasonBreaker, wait: max(left, breakerLook)}
	}
	return round, nil
}

// call makes one call within timeout. Exceeding the timeout is the provider's failure. The end of
// the caller's context isn't, nor is a timeout while the provider loads its model.
func (k *link) call(ctx context.Context, r llm.Request, timeout time.Duration, round int) (llm.Response, error) {
	calling, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := k.Provider.Generate(calling, r)
	late := err != nil && calling.Err() != nil && ctx.Err() == nil
	loading := late && timeout < k.Limits.LoadTimeout && k.load.underWay()
	switch {
	case loading:
		err = &llm.Error{Provider: k.Name, Code: codeLoading, Reason: fmt.Sprintf("no text within %v", timeout)}
	case late:
		err = &llm.Error{Provider: k.Name, Reason: fmt.Sprintf("no text within %v", timeout)}
	}
	k.learn(ctx, answer, err, round, loading)
	return answer, err
}

// learn updates the link's state by the outcome of a call.
func (k *link) learn(ctx context.Context, answer llm.Response, err error, round int, loading bool) {
	now := time.Now()
	var failed *llm.Error
	_ = errors.As(err, &failed)
	switch {
	case err != nil && (ctx.Err() != nil || loading):
		// A trial without an outcome must not close the breaker. Outside of a trial nothing need be
		// recorded.
		if k.breaker.IsHalfOpen() {
			k.resting.again()
			k.breaker.RecordFailure()
		}
		k.throttle.leave(round)
		return
	case err == nil:
		k.resting.wrote()
		k.breaker.RecordSuccess()
	default:
		k.failed(err, failed)
	}
	if failed != nil && failed.Class == fail.Throttled {
		k.throttle.told(now, round, failed.RetryAfter)
	} else {
		k.throttle.over(round)
	}
	if err == nil || failed != nil && failed.Answered {
		k.load.answered(now)
	}
	if err == nil {
		k.rest(now, answer)
	}
	if err == nil && answer.Usage.CompletionTokens > 0 {
		const weight = 8 // of the earlier average, in answers
		before := k.usual.Load()
		k.usual.Store(before + (int64(answer.Usage.CompletionTokens)-before)/weight + 1)
	}
}

// failed decides whether a failure opens the breaker.
func (k *link) failed(err error, failed *llm.Error) {
	switch {
	case failed != nil && (failed.Class == fail.Throttled || failed.Again):
		k.breaker.RecordSuccess() // says nothing about its texts
	case ill(err):
		k.resting.failed(err)
		k.breaker.RecordFailure()
	case k.resting.failed(err) >= maxUseless(k.Limits.BreakerFailures):
		if k.breaker.RecordFailure(); k.breaker.IsClosed() {
			k.breaker.Open()
		}
	default:
		k.breaker.RecordSuccess()
	}
}

// maxRest limits the pause after an answer whose headers say that a limit is used up. These headers
// aren't always about minutes, and the next answer has better ones.
const maxRest = time.Minute

// rest pauses a provider until its limits are full again, if that is soon.
func (k *link) rest(now time.Time, answer llm.Response) {
	for _, l := range []struct {
		llm.Limit
		need int
	}{{answer.Limits.Requests, 1}, {answer.Limits.Tokens, int(k.usual.Load())}} {
		if l.Known && l.Remaining < max(l.need, 1) && l.Reset > 0 && l.Reset <= maxRest {
			k.throttle.rest(now, l.Reset)
		}
	}
}

// ill reports whether the next request must fail, too, as opposed to failures about one request.
// Rate limits are handled by the throttle.
func ill(err error) bool {
	var failed *llm.Error
	if !errors.As(err, &failed) || failed.Answered || failed.Class == fail.Throttled {
		return false
	}
	if failed.Class == fail.Transient {
		return true
	}
	switch failed.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound:
		return true // a wrong key, no credit, no such model
	case http.StatusTooManyRequests:
		return true // OpenAI answers 429 when there is no credit left
	}
	return false
}
