// Package telegram makes calls to the Bot API and classifies their outcomes. It makes every
// call once: the caller decides about repetitions, because it knows their effect.
package telegram

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/outbound"
)

// Client makes calls of any number of bots over shared connections. It is safe for
// concurrent use. Its outcomes and errors contain no token.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
	// fresh opens a new connection for each request.
	fresh  *http.Client
	invoke Invoke
}

// New returns a client. It makes no call.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("telegram: %w", err)
	}
	if cfg.URL == "" {
		cfg.URL = OfficialURL
	}
	base, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("telegram: %w", validateURL(cfg.URL))
	}
	c := &Client{cfg: cfg, base: base, http: &http.Client{
		Transport: transport(cfg),
		// Following a redirect would send the token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	fresh := transport(cfg)
	fresh.DisableKeepAlives = true
	c.fresh = &http.Client{Transport: fresh, CheckRedirect: c.http.CheckRedirect}
	// The dial, the TLS handshake and the wait for the response's header have their own
	// limits. This one ends a response whose body arrives too slowly.
	c.invoke = timeLimit(2*cfg.ConnectTimeout + cfg.Timeout)(c.send)
	return c, nil
}

// With returns a client with middleware around its calls: the first one is outermost, the
// client's own middleware innermost. It shares the client's connections.
func (c *Client) With(around ...Middleware) *Client {
	with := *c
	for _, m := range slices.Backward(around) {
		with.invoke = m(with.invoke)
	}
	return &with
}

// idleTimeout closes idle connections before the server does. Servers close them after 60 s
// or later, and a request that meets a close has an unknown outcome.
const idleTimeout = 30 * time.Second

// pingAfter and pingWait find dead HTTP/2 connections. Many calls share one connection, and
// calls that time out don't close it. A dead one must be found and closed before its calls'
// time is over.
const pingAfter, pingWait = 15 * time.Second, 5 * time.Second

// unacknowledged limits the time without a TCP acknowledgement of sent data. Telegram's
// kernel acknowledges at once, however long the response takes.
const unacknowledged = 10 * time.Second

func transport(cfg Config) *http.Transport {
	dialer := outbound.Dialer{Connect: cfg.ConnectTimeout, Unacknowledged: min(unacknowledged, cfg.Timeout)}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   cfg.ConnectTimeout,
		ResponseHeaderTimeout: cfg.Timeout,
		// All calls go to one host. The default of 2 would close nearly every connection
		// after its call.
		MaxIdleConnsPerHost: cfg.MaxIdle,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   true, // a custom dialer turns it off
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: min(pingAfter, cfg.Timeout/2), PingTimeout: min(pingWait, cfg.Timeout/4), //nolint:mnd // before the time is over
		},
	}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Reach checks whether the Bot API's host responds, over a new connection and without a
// token. If it doesn't, Reach closes the idle connections: they may be dead, too, and a
// call over a dead connection would have an unknown outcome.
func (c *Client) Reach(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("reach Telegram: %s", reason(err)) //nolint:err113 // the error has the address
	}
	resp, err := c.fresh.Do(req)
	if err != nil {
		c.http.CloseIdleConnections()
		return errors.New(reason(err)) //nolint:err113 // the error has the address
	}
	_ = resp.Body.Close() // the content doesn't matter
	return nil
}
