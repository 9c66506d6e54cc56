package listener

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

const (
	// refusedCost is how many requests one without the right secret counts for.
	refusedCost = 10
	// maxVisitors bounds how many addresses are remembered.
	maxVisitors = 10_000
	visitorFor  = 10 * time.Minute
)

// visitors holds back addresses that ask too often.
type visitors struct {
	*otter.Cache[string, *rate.Limiter]

	perSecond float64
}

func newVisitors(perSecond float64) (*visitors, error) {
	c, err := otter.New(&otter.Options[string, *rate.Limiter]{
		MaximumSize: maxVisitors, ExpiryCalculator: otter.ExpiryAccessing[string, *rate.Limiter](visitorFor),
	})
	if err != nil {
		return nil, fmt.Errorf("limits by address: %w", err)
	}
	return &visitors{Cache: c, perSecond: perSecond}, nil
}

// of is the limit of one address.
func (v *visitors) of(address string) *rate.Limiter {
	l, _ := v.ComputeIfAbsent(address, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(rate.Limit(v.perSecond), max(int(v.perSecond), refusedCost)), false
	})
	return l
}

// from is the address that a request comes from. IPv6 networks of 64 bits are one:
// whoever has one address there has all.
func from(r *http.Request, forwarded bool) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if list := r.Header.Values("X-Forwarded-For"); forwarded && len(list) > 0 {
		last := list[len(list)-1]
		host = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.To4() != nil {
		return host
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
