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
	"net/url"
	"slices"
	"strings"
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
	return mustBePublic(at.Addr())
}

const (
	connectTimeout = 5 * time.Second
	maxRedirects   = 4
)

// Client reaches public addresses, or any if private is true, through the proxy that
// the environment names, if it names one (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). Its
// requests take the timeout at most, redirects and body included.
//
// A proxy dials for us, and may reach what we must not: before it is asked, the name
// is resolved here, and refused if any of its addresses is not public. What only the
// proxy can resolve is left to it, unless it is a name of private networks.
func Client(timeout time.Duration, private bool) *http.Client {
	return client(timeout, private, http.ProxyFromEnvironment, net.DefaultResolver.LookupNetIP)
}

// lookUp resolves a name, as net.Resolver.LookupNetIP does.
type lookUp func(ctx context.Context, network, host string) ([]netip.Addr, error)

func client(timeout time.Duration, private bool, proxy func(*http.Request) (*url.URL, error), resolve lookUp) *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout}
	direct := transport(timeout, dialer)
	proxied := transport(timeout, &net.Dialer{Timeout: connectTimeout})
	proxied.Proxy = proxy
	guard := &guarded{direct: direct, proxied: proxied, proxy: proxy}
	if !private {
		dialer.Control = control
		guard.resolve = resolve
	}
	return &http.Client{
		Timeout:   timeout,
		Transport: guard,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
				return fmt.Errorf("a redirect to %s", r.URL.Scheme)
			}
			return nil
		},
	}
}

func transport(timeout time.Duration, dialer *net.Dialer) *http.Transport {
	return &http.Transport{
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: timeout,
		MaxIdleConns: 10, IdleConnTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
	}
}

// guarded sends each request, those after redirects too, directly or by the proxy.
type guarded struct {
	direct, proxied *http.Transport
	proxy           func(*http.Request) (*url.URL, error)
	resolve         lookUp // nil where private addresses are allowed
}

// RoundTrip refuses private addresses: where it dials itself, as it dials; where a
// proxy does, before.
func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	through, err := g.proxy(r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("find the proxy: %w", err)
	case through == nil:
		return g.direct.RoundTrip(r)
	case g.resolve != nil:
		if err := g.check(r.Context(), r.URL.Hostname()); err != nil {
			return nil, err
		}
	}
	return g.proxied.RoundTrip(r)
}

// CloseIdleConnections is called by the client's method of that name.
func (g *guarded) CloseIdleConnections() {
	g.direct.CloseIdleConnections()
	g.proxied.CloseIdleConnections()
}

func (g *guarded) check(ctx context.Context, host string) error {
	if at, err := netip.ParseAddr(host); err == nil {
		return mustBePublic(at)
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if inner(name) {
		return fmt.Errorf("%s %w", host, ErrPrivate)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	// Where only the proxy knows the names of the internet, none is found here.
	addresses, _ := g.resolve(ctx, "ip", name)
	for _, at := range addresses {
		if err := mustBePublic(at); err != nil {
			return err
		}
	}
	return nil
}

func mustBePublic(at netip.Addr) error {
	if !Public(at) {
		return fmt.Errorf("%s %w", at, ErrPrivate)
	}
	return nil
}

// inner tells names that are never on the internet: those without a dot, addresses in
// the spellings of old (127.1, 0x7f000001), and the domains that RFC 6761, RFC 6762
// and RFC 9476 keep for other uses, or that private networks use.
func inner(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if len(last) == len(name) || last == "" || last[0] >= '0' && last[0] <= '9' {
		return true
	}
	return slices.Contains([]string{"localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "alt", "invalid", "test", "onion"}, last) ||
		strings.HasSuffix(name, ".home.arpa")
}
