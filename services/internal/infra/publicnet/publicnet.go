// Package publicnet provides HTTP clients that reach public addresses only, whatever a name
// or a redirect says. So an address written by somebody else can't be used to explore the
// network of the process.
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

// ErrPrivate reports that an address is not public.
var ErrPrivate = errors.New("is no public address")

// special lists addresses that the standard library counts as neither private nor local,
// and that are still not public.
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

// Public reports whether an address is public.
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

// control checks the address that is about to be dialled. The check follows the look-up of
// the name, so no name can hide the address or change it in between.
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

// Client returns a client that reaches public addresses, or any if private is true, through
// the proxy that the environment names, if there is one (HTTPS_PROXY, HTTP_PROXY,
// NO_PROXY). timeout limits a request with its redirects and body.
//
// A proxy dials for us and may reach private addresses. So the name is resolved here first,
// and refused if any of its addresses is not public. A name that only the proxy can resolve
// is allowed, unless it is a name of private networks.
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

// guarded sends each request, including redirected ones, directly or through the proxy.
type guarded struct {
	direct, proxied *http.Transport
	proxy           func(*http.Request) (*url.URL, error)
	resolve         lookUp // nil where private addresses are allowed
}

// RoundTrip refuses private addresses: direct connections at the dial, proxied ones before
// the request.
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

// CloseIdleConnections implements the method that http.Client calls.
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
	// If only the proxy can resolve public names, this look-up finds nothing.
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

// inner reports names that are never public: names without a dot, old spellings of
// addresses (127.1, 0x7f000001), and the domains that RFC 6761, RFC 6762 and RFC 9476
// reserve for other uses, or that private networks use.
func inner(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if len(last) == len(name) || last == "" || last[0] >= '0' && last[0] <= '9' {
		return true
	}
	return slices.Contains([]string{"localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "alt", "invalid", "test", "onion"}, last) ||
		strings.HasSuffix(name, ".home.arpa")
}
