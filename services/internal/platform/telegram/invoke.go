package telegram

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Call is one call of a Bot API method.
type Call struct {
	Method string
	Token  secret.String
	// Params holds the parameters, as a struct with the API's names as JSON tags; nil for
	// none.
	Params any
	// Result receives the response's result; nil to ignore it.
	Result any
	// ResultOnly says that the call has no effect but its result. If the result can't be
	// read, the outcome is Unknown.
	ResultOnly bool
	// NotAfter is the latest time to begin the call; zero for any time. A call that reaches
	// its first byte later is NotSent and TooLate.
	NotAfter time.Time

	maxAnswer int64  // bytes of the response to read; 0 for maxBody
	answer    []byte // unparsed
}

// Invoke makes a call. Every call of a Client passes through its one Invoke.
type Invoke func(ctx context.Context, call *Call) Outcome

// Middleware wraps Invoke.
type Middleware func(next Invoke) Invoke

// Watch returns middleware that reports the outcome of each call to tell, which must be
// safe for concurrent use.
func Watch(tell func(method string, out Outcome, took time.Duration)) Middleware {
	return func(next Invoke) Invoke {
		return func(ctx context.Context, call *Call) Outcome {
			began := time.Now()
			out := next(ctx, call)
			tell(call.Method, out, time.Since(began))
			return out
		}
	}
}

// timeLimit returns middleware that ends calls after a time.
func timeLimit(longest time.Duration) Middleware {
	return func(next Invoke) Invoke {
		return func(ctx context.Context, call *Call) Outcome {
			ctx, cancel := context.WithTimeout(ctx, longest)
			defer cancel()
			return next(ctx, call)
		}
	}
}

// send makes a call over the network. All middleware is around it.
func (c *Client) send(ctx context.Context, call *Call) Outcome {
	x := &exchange{token: call.Token.Reveal(), notAfter: call.NotAfter, maxAnswer: cmp.Or(call.maxAnswer, maxBody)}
	if !wellFormed(x.token) {
		return Outcome{Kind: PermanentBot, Description: "the token is malformed, want NUMBER:KEY as @BotFather gave it"}
	}
	var params []byte
	if call.Params != nil {
		var err error
		if params, err = json.Marshal(call.Params); err != nil {
			return Outcome{Kind: PermanentAction, Description: clean("the request can't be built: "+err.Error(), x.token)}
		}
	}
	x.err = x.ask(ctx, c.http, c.base.JoinPath("bot"+x.token, call.Method).String(), params)
	call.answer = x.body
	out, result := x.outcome()
	if out.Kind != Done || call.Result == nil {
		return out
	}
	if err := json.Unmarshal(result, call.Result); err != nil {
		out.Description = clean("the result can't be read: "+err.Error(), x.token)
		if call.ResultOnly {
			out.Kind = Unknown
		} // else the call had its effect, and only its result is lost
	}
	return out
}

// wellFormed reports whether a token can be part of an address. Only Telegram knows which
// tokens are valid.
func wellFormed(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool {
		return !(r == ':' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	})
}

const (
	// maxBody limits responses. The longest, getChat's, has a few kilobytes.
	maxBody = 1 << 20
	// maxUpdates limits responses to getUpdates: a hundred long messages, each with the
	// message that it answers.
	maxUpdates = 16 << 20
)

// exchange is one HTTP request with its response.
type exchange struct {
	token string
	// notAfter is the latest time to write the request; zero for any time.
	notAfter  time.Time
	late      atomic.Bool                  // it was not written, because notAfter had passed
	params    atomic.Pointer[bytes.Reader] // the body to write; nil for none
	maxAnswer int64                        // bytes of the response to read
	// written says that a part of the request may have left the process.
	written atomic.Bool
	err     error // no response, or an incomplete one
	status  int   // 0 without a response
	header  http.Header
	body    []byte
}

// ask makes the request. Its body is in memory, so header and body leave in one packet, and
// net/http can repeat it on a new connection if a kept one is dead before its first byte.
func (x *exchange) ask(ctx context.Context, client *http.Client, address string, params []byte) error {
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, x.trace()), http.MethodPost, address, bytes.NewReader(params))
	if err != nil {
		return fmt.Errorf("build the request: %w", err)
	}
	if len(params) > 0 { // without parameters there is no content type
		r.Header.Set("Content-Type", "application/json")
		r.GetBody = func() (io.ReadCloser, error) {
			body := bytes.NewReader(params)
			x.params.Store(body)
			return io.NopCloser(body), nil
		}
		r.Body, _ = r.GetBody() // never fails
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	x.status, x.header = resp.StatusCode, resp.Header
	// The body is read to its end, so that the connection can be reused.
	if x.body, err = io.ReadAll(io.LimitReader(resp.Body, x.maxAnswer+1)); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

var errTooLate = errors.New("it is too late to begin the call")

// trace records whether anything was written. net/http calls WroteHeaders before it flushes
// the first byte, and has stopped writing when Do returns. It asks for a second connection
// only if the first one took nothing of the request, or the server guarantees that it
// hasn't processed it (HTTP/2 GOAWAY, REFUSED_STREAM).
//
// A request that is too late loses its body. Over HTTP/1.1 then nothing is flushed; over
// HTTP/2 no server acts on the header alone. The check runs right before the write, so even
// a process that stalls between two steps doesn't write late. A reader of our own could
// check as well, but net/http sends the header separately if the body isn't one of its own
// in-memory readers: a second packet, a fifteenth of a sender's time.
func (x *exchange) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { x.written.Store(false) },
		WroteHeaders: func() {
			x.written.Store(true)
			if body := x.params.Load(); body != nil && !x.notAfter.IsZero() && time.Now().After(x.notAfter) {
				x.late.Store(true)
				body.Reset(nil)
			}
		},
	}
}
