package chain

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/chorus-cast/chorus/services/internal/usage"
)

// Limits is what a provider may be used for. Zero is no limit, except where it
// says otherwise.
type Limits struct {
	// Workers is how many calls may be under way; at least 1.
	Workers int
	// Timeout bounds one call; more than 0.
	Timeout time.Duration
	// LoadTimeout bounds the first call to a provider that has not answered for some
	// minutes, and may have to load its model. Up to Timeout it is a call like any.
	LoadTimeout time.Duration
	// RequestsPerMinute and TokensPerMinute are never passed in any minute, by all
	// replicas together.
	RequestsPerMinute, TokensPerMinute int
	// DailyTokens and DailyCost begin anew at midnight UTC. They are passed by no
	// more than the calls under way.
	DailyTokens int64
	DailyCost   float64
	// PromptPrice and CompletionPrice are for a million tokens, in any currency.
	PromptPrice, CompletionPrice float64
	// BreakerFailures in a row open the breaker for BreakerDelay; both more than 0.
	BreakerFailures int
	BreakerDelay    time.Duration
}

// DefaultLimits suit a hosted model.
func DefaultLimits() Limits {
	return Limits{Workers: 16, Timeout: 30 * time.Second, BreakerFailures: 5, BreakerDelay: 2 * time.Minute}
}

// Validate joins everything that is wrong.
func (l Limits) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(l.Workers >= 1 && l.Workers <= 1000, "workers: %d, want 1 to 1000", l.Workers)
	check(l.Timeout > 0 && l.Timeout <= 10*time.Minute, "timeout: %v, want more than 0s, up to 10m", l.Timeout)
	check(l.LoadTimeout >= 0 && l.LoadTimeout <= time.Hour, "load_timeout: %v, want 0s (as timeout) to 1h", l.LoadTimeout)
	check(l.RequestsPerMinute >= 0, "requests_per_minute: %d, want 0 (no limit) or more", l.RequestsPerMinute)
	check(l.TokensPerMinute >= 0, "tokens_per_minute: %d, want 0 (no limit) or more", l.TokensPerMinute)
	check(l.DailyTokens >= 0, "daily_tokens: %d, want 0 (no limit) or more", l.DailyTokens)
	check(l.DailyCost >= 0, "daily_cost: %v, want 0 (no limit) or more", l.DailyCost)
	check(l.PromptPrice >= 0, "prompt_price: %v, want 0 or more", l.PromptPrice)
	check(l.CompletionPrice >= 0, "completion_price: %v, want 0 or more", l.CompletionPrice)
	check(l.DailyCost == 0 || l.PromptPrice+l.CompletionPrice > 0,
		"daily_cost: %v, but without prompt_price and completion_price nothing costs anything", l.DailyCost)
	check(l.BreakerFailures >= 1, "breaker_failures: %d, want 1 or more", l.BreakerFailures)
	check(l.BreakerDelay > 0, "breaker_delay: %v, want more than 0s", l.BreakerDelay)
	return errors.Join(errs...)
}

// budgeted tells whether there is a budget of the day.
func (l Limits) budgeted() bool { return l.DailyTokens > 0 || l.DailyCost > 0 }

// Share is which part of the day's budget is used up, 1 for all of it; 0 where there
// is no budget.
func (l Limits) Share(s usage.Spent) float64 {
	var share float64
	if l.DailyTokens > 0 {
		share = float64(s.Tokens) / float64(l.DailyTokens)
	}
	if l.DailyCost > 0 {
		share = max(share, s.Cost/l.DailyCost)
	}
	return share
}

// NearlySpent is the share of a day's budget from which it is warned about.
const NearlySpent = 0.8

const million = 1_000_000

// Cost is what tokens cost by the prices.
func (l Limits) Cost(promptTokens, completionTokens int) float64 {
	return (float64(promptTokens)*l.PromptPrice + float64(completionTokens)*l.CompletionPrice) / million
}

// perMinute keeps to a number in any minute. A replica keeps to its share of it.
type perMinute struct {
	limit    int
	replicas func() int

	mu      sync.Mutex
	share   int
	limiter *rate.Limiter
}

// burstPart is the part of a minute's number that may be used at once.
const burstPart = 6

// newPerMinute is nil, which limits nothing, for 0.
func newPerMinute(limit int, replicas func() int) *perMinute {
	if limit == 0 {
		return nil
	}
	return &perMinute{limit: limit, replicas: replicas}
}

// current is the limiter for this replica's share, which changes as replicas
// come and go.
func (p *perMinute) current() *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	share := max(p.limit/max(p.replicas(), 1), 1)
	if share == p.share {
		return p.limiter
	}
	// In any minute a bucket lets through what it holds and what flows in. The one
	// that is left when the minute begins has flowed in before it.
	burst := max(share/burstPart, 1)
	flow := rate.Limit(float64(share-burst+1) / time.Minute.Seconds())
	if p.limiter == nil {
		p.limiter = rate.NewLimiter(flow, burst)
	} else {
		p.limiter.SetLimit(flow)
		p.limiter.SetBurst(burst)
	}
	p.share = share
	return p.limiter
}

// take takes n, and tells how to give them back; or it takes nothing and tells
// how long to wait. What is more than can ever be taken at once is taken once all
// that can be is there, and the rest owed.
func (p *perMinute) take(n int) (giveBack func(), wait time.Duration) {
	if p == nil {
		return func() {}, 0
	}
	l := p.current()
	now := time.Now()
	first := min(n, l.Burst())
	r := l.ReserveN(now, first)
	if d := r.DelayFrom(now); d > 0 {
		r.CancelAt(now)
		return nil, d
	}
	p.owe(n - first)
	return func() { r.CancelAt(time.Now()) }, 0
}

// owe takes n that were used without having been taken, so that what comes next
// waits for them.
func (p *perMinute) owe(n int) {
	if p == nil || n <= 0 {
		return
	}
	l := p.current()
	for burst := l.Burst(); n > 0; n -= burst {
		l.ReserveN(time.Now(), min(n, burst))
	}
}

// ceil is a wait that is surely over when it is.
func ceil(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(float64(d)/float64(time.Millisecond))) * time.Millisecond
}
