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
	// refusedCost is the number of requests that one without the right secret counts for.
	refusedCost = 10
	// maxAddresses limits the remembered addresses.
	maxAddresses = 10_000
	addressFor   = 10 * time.Minute
)

// ipLimiter limits the requests of each address.
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

// of returns the limiter of an address.
func (l *ipLimiter) of(address string) *rate.Limiter {
	a, _ := l.ComputeIfAbsent(address, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(rate.Limit(l.perSecond), max(int(l.perSecond), refusedCost)), false
	})
	return a
}

// from returns the network of a request's address. All addresses of a network share one
// limiter.
func from(r *http.Request, forwarded bool) string {
	return remote.Network(remote.Address(r, forwarded))
}
