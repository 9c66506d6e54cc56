// Package control is the client of the emulator's control interface, for tests and commands.
// It defines the interface's requests and responses. Package controlapi is the server.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	// Prefix is the interface's path on the emulator's server.
	Prefix = "/_emulator"
	// ContentType is the required type of every request with a body.
	ContentType = "application/json"

	connectTimeout = 5 * time.Second
	answerTimeout  = 15 * time.Second
	idleTimeout    = 30 * time.Second
	maxFailure     = 64 << 10 // bytes of an answer that says what went wrong
)

// Local reports whether a host, with or without a port, is a loopback name of this machine. A
// web page may let its own name resolve to this machine ("DNS rebinding"). Its requests then
// count as same-origin, but carry that name.
func Local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return addr.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Error is an answer of the emulator that isn't a result.
type Error struct {
	Status  int    `json:"-"` // the HTTP status
	Message string `json:"error"`
}

func (e *Error) Error() string { return e.Message }

// Client talks to one emulator. It is safe for concurrent use. Every call but
// Calls ends after 15 s, or with its context if that is sooner. Errors are
// *Error where the emulator refused the call.
type Client struct {
	base string
	http *http.Client
}

// New makes a client of the emulator at baseURL, like http://127.0.0.1:8081.
// It doesn't connect.
func New(baseURL string) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("emulator address: %q is not allowed, must be like http://127.0.0.1:8081", baseURL)
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: answerTimeout,
		IdleConnTimeout:       idleTimeout,
	}
	return &Client{base: strings.TrimRight(baseURL, "/") + Prefix, http: &http.Client{Transport: transport}}, nil
}

// Within makes a client of an emulator of this process, which need not listen yet. It
// can't follow calls.
func Within(h http.Handler) *Client {
	return &Client{base: "http://localhost" + Prefix, http: &http.Client{Transport: within{h}}}
}

// within has requests answered by a handler.
type within struct{ handler http.Handler }

// RoundTrip answers a request.
func (t within) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := r.Clone(r.Context())
	if asked.Body == nil {
		asked.Body = http.NoBody // as servers have it
	}
	a := &kept{status: http.StatusOK, header: http.Header{}}
	t.handler.ServeHTTP(a, asked)
	return &http.Response{Status: http.StatusText(a.status), StatusCode: a.status, Header: a.header, Body: io.NopCloser(&a.body), Request: r}, nil
}

// kept is an answer of a handler.
type kept struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *kept) Header() http.Header    { return a.header }
func (a *kept) WriteHeader(status int) { a.status = status }

func (a *kept) Write(p []byte) (int, error) {
	a.body.Write(p)
	return len(p), nil
}

// Close closes the connections that are idle. The client can be used further.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// answer makes a request with a JSON body (nil: none) and reads its result.
func answer[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var result T
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := c.open(ctx, method, path, body)
	if err != nil {
		return result, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&result); err != nil {
		return result, fmt.Errorf("emulator: read the answer to %s %s: %w", method, path, err)
	}
	return result, nil
}

// do makes a request whose result is of no interest.
func (c *Client) do(ctx context.Context, method, path string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("emulator: %s %s: %w", method, path, err)
	}
	return nil
}

// open makes a request; a response without an error is a success, whose body
// the caller closes.
func (c *Client) open(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("emulator: write %s %s: %w", method, path, err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	request.Header.Set("Content-Type", ContentType)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	if response.StatusCode < http.StatusBadRequest {
		return response, nil
	}
	return nil, errors.Join(failure(response), response.Body.Close())
}

func failure(response *http.Response) error {
	content, err := io.ReadAll(io.LimitReader(response.Body, maxFailure))
	if err != nil {
		return fmt.Errorf("emulator: read what is wrong: %w", err)
	}
	refused := &Error{Status: response.StatusCode}
	if err := json.Unmarshal(content, refused); err != nil || refused.Message == "" {
		refused.Message = fmt.Sprintf("%s answered %s", response.Request.URL.Redacted(), response.Status)
	}
	return refused
}
