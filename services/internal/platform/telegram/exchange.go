package telegram

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

const (
	// maxBody bounds the answers that are read; the longest, getChat's, has some
	// kilobytes.
	maxBody = 1 << 20
	// maxUpdates is the same for getUpdates: a hundred long messages, each with the
	// one that it answers.
	maxUpdates = 16 << 20
)

// exchange is one HTTP request and all that came of it.
type exchange struct {
	token string
	// notAfter is until when the request may be written; zero for any time.
	notAfter  time.Time
	late      atomic.Bool // it was not, because that had passed
	maxAnswer int64       // bytes of the answer that are read
	// written tells that some of the request may have left the process.
	written atomic.Bool
	err     error // no answer, or none to its end
	status  int   // 0 without an answer
	header  http.Header
	body    []byte
}

// ask makes the request. Its body is in memory, so it travels in one piece, and can be
// written again on a fresh connection if a kept one turns out dead before its first byte.
func (x *exchange) ask(ctx context.Context, client *http.Client, address string, params []byte) error {
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, x.trace()), http.MethodPost, address, bytes.NewReader(params))
	if err != nil {
		return fmt.Errorf("build the request: %w", err)
	}
	if len(params) > 0 { // a call without parameters has no type of them
		r.Header.Set("Content-Type", "application/json")
		if !x.notAfter.IsZero() {
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(&timely{bytes.NewReader(params), x}), nil }
			r.Body, _ = r.GetBody() // never fails
		}
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	x.status, x.header = resp.StatusCode, resp.Header
	// It is read to its end, so that the connection can be used again.
	if x.body, err = io.ReadAll(io.LimitReader(resp.Body, x.maxAnswer+1)); err != nil {
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
	params *bytes.Reader
	x      *exchange
}

func (b *timely) Read(p []byte) (int, error) {
	if time.Now().After(b.x.notAfter) {
		b.x.late.Store(true)
		return 0, errTooLate
	}
	return b.params.Read(p) //nolint:wrapcheck // an end of file must be one
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
