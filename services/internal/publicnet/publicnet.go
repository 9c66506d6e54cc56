// Package publicnet makes HTTP clients that reach public addresses only, whatever
// a name or a redirect says: so an address that somebody else wrote can't be used
// to look into the network that the process runs in.
package publicnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrPrivate says that an address is not public.
var ErrPrivate = errors.New("is no public address")

// What is neither private nor local by the standard library's reckoning, and all
// the same nobody's on the internet.
// https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-
//
//nolint:gochecknoglobals // constant
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// Public tells whether an address is one of the internet.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// control looks at the address that is about to be dialled: after the name was
// resolved, so that no name can hide it, and none can change in between.
func control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	if !Public(at.Addr()) {
		return fmt.Errorf("%s %w", at.Addr(), ErrPrivate)
	}
	return nil
}

const (
	connectTimeout = 5 * time.Second
	mostRedirects  = 4
)

// Client reaches public addresses, or any if private is true. Its requests take
// the timeout at most, redirects and body included.
func Client(timeout time.Duration, private bool) *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout}
	if !private {
		dialer.Control = control
	}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			// A proxy would dial for us, and past the check.
			Proxy: nil,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
			TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: timeout,
			MaxIdleConns: 10, IdleConnTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > mostRedirects {
				return fmt.Errorf("more than %d redirects", mostRedirects)
			}
			if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
				return fmt.Errorf("a redirect to %s", r.URL.Scheme)
			}
			return nil
		},
	}
}
