package chain

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/chorus-cast/chorus/services/internal/usage"
)

// Breaker is that of a provider as operators see it.
type Breaker struct {
	Provider string
	// Open is false while it tries one call. Since is when it came into that state, and Next
	// when a call is tried.
	Open        bool
	Since, Next time.Time
}

// Breakers are those of this process that are not closed.
func (c *Chain) Breakers() []Breaker {
	var all []Breaker
	for _, k := range c.links {
		if state := k.breaker.State(); state != circuitbreaker.ClosedState {
			all = append(all, Breaker{
				k.Name, state == circuitbreaker.OpenState, time.UnixMilli(k.changed.Load()), time.Now().Add(max(k.rests(time.Now()), 0)),
			})
		}
	}
	return all
}

// Rest is why a provider is not asked for a while whose breaker is closed.
type Rest struct {
	Provider, Why string
	// Since is when it began and Until when it ends, where that is known.
	Since, Until time.Time
}

// Rests are those of this process.
func (c *Chain) Rests() []Rest {
	var all []Rest
	now, day := time.Now(), c.Now()
	for _, k := range c.links {
		if !k.affords(day, false) {
			r := Rest{Provider: k.Name, Why: "today's budget is used up", Until: nextDay(day)}
			if since := k.spent.Load(); since != 0 {
				r.Since = time.UnixMilli(since)
			}
			all = append(all, r)
		}
		if why, since, until, waits := k.throttle.wait(now); waits {
			all = append(all, Rest{k.Name, why, since, until})
		}
		if began, loads := k.load.outlasts(now, k.Limits.Timeout); loads {
			all = append(all, Rest{Provider: k.Name, Why: "it loads its model", Since: began})
		}
	}
	return all
}

// nextDay is when budgets begin anew.
func nextDay(now time.Time) time.Time { return usage.Day(now).Add(24 * time.Hour) }
