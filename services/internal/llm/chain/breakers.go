package chain

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/chorus-cast/chorus/services/internal/usage"
)

// Breaker is the state of a provider's breaker, for operators.
type Breaker struct {
	Provider string
	// Open is false while the breaker is half-open. Since is the time of the last change of state,
	// Next the time of the next trial call.
	Open        bool
	Since, Next time.Time
}

// Breakers returns this process' breakers that are not closed.
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

// Rest is a pause of a provider whose breaker is closed.
type Rest struct {
	Provider, Why string
	// Since and Until are its beginning and end, zero if not known.
	Since, Until time.Time
}

// Rests returns the pauses of this process.
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

// nextDay returns the time at which budgets start again.
func nextDay(now time.Time) time.Time { return usage.Day(now).Add(24 * time.Hour) }
