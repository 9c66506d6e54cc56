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

// Limits limits the use of a provider. Zero means no limit, unless a field says otherwise.
type Limits struct {
	// Workers limits concurrent calls; at least 1.
	Workers int
	// Timeout limits one call; more than 0.
	Timeout time.Duration
	// LoadTimeout limits the first call to a provider that has not answered for some minutes, and
	// may have to load its model. A value up to Timeout has no effect.
	LoadTimeout time.Duration
	// RequestsPerMinute and TokensPerMinute hold in any minute, for all replicas together.
	RequestsPerMinute, TokensPerMinute int
	// DailyTokens and DailyCost start again at midnight UTC. They can be exceeded by the calls in
	// flight only.
	DailyTokens int64
	DailyCost   float64
	// PromptPrice and CompletionPrice are prices of a million tokens, in any currency.
	PromptPrice, CompletionPrice float64
	// BreakerFailures in a row open the breaker for BreakerDelay; both more than 0.
	BreakerFailures int
	BreakerDelay    time.Duration
}

// DefaultLimits returns the defaults, which suit a hosted model.
func DefaultLimits() Limits {
	return Limits{Workers: 16, Timeout: 30 * time.Second, BreakerFailures: 5, BreakerDelay: 2 * time.Minute}
}

// Validate joins all errors.
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

// budgeted reports whether there is a daily budget.
func (l Limits) budgeted() bool { return l.DailyTokens > 0 || l.DailyCost > 0 }

// Share returns the used share of the daily budget, 1 for all of it; 0 without a budget.
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

// NearlySpent is the share of a daily budget from which the chain warns.
const NearlySpent = 0.8

const million = 1_000_000

// Cost returns the price of tokens.
func (l Limits) Cost(promptTokens, completionTokens int) float64 {
	return (float64(promptTokens)*l.PromptPrice + float64(completionTokens)*l.CompletionPrice) / million
}

// perMinute limits a number per minute, in any minute. Each replica keeps to its share of it.
type perMinute struct {
	limit    int
	replicas func() int

	mu      sync.Mutex
	share   int
	limiter *rate.Limiter
}

// burstPart is the divisor of a minute's number that gives the burst.
const burstPart = 6

// newPerMinute returns nil, which limits nothing, for 0.
func newPerMinute(limit int, replicas func() int) *perMinute {
	if limit == 0 {
		return nil
	}
	return &perMinute{limit: limit, replicas: replicas}
}

// current returns the limiter for this replica's share, which changes with the number of replicas.
func (p *perMinute) current() *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	share := max(p.limit/max(p.replicas(), 1), 1)
	if share == p.share {
		return p.limiter
	}
	// In any minute, a bucket lets through its content and the inflow. Its content at the start of
	// the minute has flowed in before.
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

// take takes n and returns a function to give them back; or it takes nothing and returns the time
// to wait. If n is more than the burst, it takes a full burst and owes the rest.
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

// owe takes n that were used without being taken, so that the next calls wait for them.
func (p *perMinute) owe(n int) {
	if p == nil || n <= 0 {
		return
	}
	l := p.current()
	for burst := l.Burst(); n > 0; n -= burst {
		l.ReserveN(time.Now(), min(n, burst))
	}
}

// ceil rounds a wait up, so that it is surely over after it.
func ceil(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(float64(d)/float64(time.Millisecond))) * time.Millisecond
}
