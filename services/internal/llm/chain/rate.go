package chain

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

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
