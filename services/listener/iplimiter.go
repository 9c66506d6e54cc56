package listener

import (
	"fmt"
	"net/http"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/remote"
)

const (
	// refusedCost is how many requests one without the right secret counts for.
	refusedCost = 10
	// maxAddresses bounds how many addresses are remembered.
	maxAddresses = 10_000
	addressFor   = 10 * time.Minute
)

// ipLimiter limits addresses that ask too often.
type ipLimiter struct {
	*otter.Cache[string, *rate.Limiter]

	perSecond float64
}

func newIPLimiter(perSecond float64) (*ipLimiter, error) {
	c, err := otter.New(&otter.Options[string, *rate.Limiter]{
		MaximumSize: maxAddresses, Clock: cache.Clock{}, ExpiryCalculator: otter.ExpiryAccessing[string, *rate.Limiter](addressFor),
	})
	if err != nil {
		return nil, fmt.Errorf("limits by address: %w", err)
	}
	return &ipLimiter{Cache: c, perSecond: perSecond}, nil
}

// of is the limit of one address.
func (l *ipLimiter) of(address string) *rate.Limiter {
	a, _ := l.ComputeIfAbsent(address, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(rate.Limit(l.perSecond), max(int(l.perSecond), refusedCost)), false
	})
	return a
}

// from is what an address is limited as.
func from(r *http.Request, forwarded bool) string {
	return remote.Network(remote.Address(r, forwarded))
}
