package chain

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
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
				k.Name, state == circuitbreaker.OpenState, time.UnixMilli(k.changed.Load()), time.Now().Add(k.breaker.RemainingDelay()),
			})
		}
	}
	return all
}
