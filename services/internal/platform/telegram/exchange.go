package telegram

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-telegram/bot"
)

const (
	// maxBody bounds the answers that are read; the longest, getChat's, has some
	// kilobytes.
	maxBody = 1 << 20
	// maxUpdates is the same for getUpdates: a hundred long messages, each with the
	// one that it answers.
	maxUpdates = 16 << 20
)

// exchange is one HTTP request and all that came of it: the library loses the
// status of an answer that is no JSON, and can't tell whether it asked at all.
type exchange struct {
	token string
	// notAfter is until when the request may be written; zero for any time.
	notAfter time.Time
	late     atomic.Bool // it was not, because that had passed
	most     int64       // bytes of the answer that are read
	// written tells that some of the request may have left the process.
	written atomic.Bool
	asked   bool  // the library came as far as asking
	err     error // no answer, or none to its end
	status  int   // 0 without an answer
	header  http.Header
	body    []byte
}

type exchangeKey struct{}

// edge is the HTTP client under the library. The library gets no token: the edge
// puts it into the address, so that nothing above can show it.
type edge struct {
	base *url.URL
	http *http.Client
}

var _ bot.HttpClient = (*edge)(nil)

// Do makes the request, notes what came of it in the exchange of its context,
// and tells the library that all is well: what the answer means is decided
// elsewhere.
func (e *edge) Do(r *http.Request) (*http.Response, error) {
	x, ok := r.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, fmt.Errorf("%s: a call without an exchange", path.Base(r.URL.Path))
	}
	// The library writes its form into a pipe. In memory it has a length, so it
	// travels in one piece, and can be written again on a fresh connection if a
	// kept one turns out dead before its first byte.
	form, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("build the form: %w", err)
	}
	x.asked = true
	if x.err = e.ask(r.Context(), x, path.Base(r.URL.Path), r.Header, form); x.err != nil {
		return nil, x.err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"ok":true,"result":null}`))}, nil
}

func (e *edge) ask(ctx context.Context, x *exchange, method string, header http.Header, form []byte) error {
	address := e.base.JoinPath("bot"+x.token, method)
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, x.trace()), http.MethodPost, address.String(), bytes.NewReader(form))
	if err != nil {
		return fmt.Errorf("build the request: %w", err)
	}
	if len(form) > 0 && !x.notAfter.IsZero() {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(&timely{bytes.NewReader(form), x}), nil }
		r.Body, _ = r.GetBody() // never fails
	}
	if len(form) > 0 {
		r.Header = header // the form's type; a call without parameters has none
	}
	resp, err := e.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	x.status, x.header = resp.StatusCode, resp.Header
	// It is read to its end, so that the connection can be used again.
	if x.body, err = io.ReadAll(io.LimitReader(resp.Body, x.most+1)); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

var errTooLate = errors.New("it is too late to begin the call")

// timely is a request's body that is withheld if it is too late. It is read by
// who writes it, right before that: so not even a process that stands still
// between any two steps writes it late. Of a request without its body, no server
// does anything.
type timely struct {
	form *bytes.Reader
	x    *exchange
}

func (b *timely) Read(p []byte) (int, error) {
	if time.Now().After(b.x.notAfter) {
		b.x.late.Store(true)
		return 0, errTooLate
	}
	return b.form.Read(p) //nolint:wrapcheck // an end of file must be one
}

// trace notes whether anything was written. net/http announces the header before
// it flushes the first byte, and has ended writing when Do returns. It asks for
// a second connection only where the first took nothing of the request, or the
// server vouched for not having looked at it (HTTP/2 GOAWAY, REFUSED_STREAM).
func (x *exchange) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { x.written.Store(false) },
		WroteHeaders: func() { x.written.Store(true) },
	}
}
