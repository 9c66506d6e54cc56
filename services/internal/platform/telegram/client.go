// Package telegram makes calls to the Bot API and tells, of each, what became of
// it. It makes every call once: whether to repeat it is for the caller to say,
// who knows what a repetition would do.
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

// Client makes calls for any number of bots over shared connections. It is safe
// for concurrent use. No token gets into its outcomes or errors.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
	// fresh makes a new connection for each request.
	fresh  *http.Client
	invoke Invoke
}

// New makes a client. It makes no call.
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
		// To follow a redirect would carry the token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	fresh := transport(cfg)
	fresh.DisableKeepAlives = true
	c.fresh = &http.Client{Transport: fresh, CheckRedirect: c.http.CheckRedirect}
	// The dial, the TLS handshake and the answer have limits of their own; this one ends
	// an answer that trickles.
	c.invoke = timeLimit(2*cfg.ConnectTimeout + cfg.Timeout)(c.send)
	return c, nil
}

// With is the client with middleware around its calls, the first one outermost, and
// that which it has already innermost. It shares the client's connections.
func (c *Client) With(around ...Middleware) *Client {
	with := *c
	for _, m := range slices.Backward(around) {
		with.invoke = m(with.invoke)
	}
	return &with
}

// Connections that idle longer are closed by us. Servers close them after 60 s
// and more, and one that they close while a request is on its way leaves an
// unknown outcome.
const idleTimeout = 30 * time.Second

// Over HTTP/2 many calls share a connection, which outlives those that are given up.
// So one that is dead must be found, and closed with all that it holds, before its
// calls' time is over.
const pingAfter, pingWait = 15 * time.Second, 5 * time.Second

// unacknowledged is how long Telegram's kernel may take to acknowledge what was sent;
// it does so in a moment, however long the answer takes.
const unacknowledged = 10 * time.Second

func transport(cfg Config) *http.Transport {
	dialer := outbound.Dialer{Connect: cfg.ConnectTimeout, Unacknowledged: min(unacknowledged, cfg.Timeout)}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   cfg.ConnectTimeout,
		ResponseHeaderTimeout: cfg.Timeout,
		// Every call goes to one host. The default of 2 would close nearly every
		// connection after its call.
		MaxIdleConnsPerHost: cfg.MaxIdle,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   true, // a dialer of one's own turns it off
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: min(pingAfter, cfg.Timeout/2), PingTimeout: min(pingWait, cfg.Timeout/4), //nolint:mnd // before the time is over
		},
	}
}

// Close closes the connections that no call uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Reach asks whether the Bot API's host answers at all, whatever it says, over a new
// connection and without a token. If it doesn't, idle connections are closed: what
// came of the way to the host may have come of them, too, and a call over a dead one
// would end with an unknown outcome.
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
	_ = resp.Body.Close() // nobody reads it
	return nil
}
