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

// Call is one call of a method of the Bot API.
type Call struct {
	Method string
	Token  secret.String
	// Params are its parameters, as a struct with the API's names as JSON tags; nil for none.
	Params any
	// Result is what the answer's result is read into; nil where nobody reads it.
	Result any
	// ResultOnly tells that the call has no effect: where its result can't be read, its
	// outcome is unknown.
	ResultOnly bool
	// NotAfter is until when the call may begin; zero for any time. One that comes
	// later than that to its first byte is NotSent, and TooLate.
	NotAfter time.Time

	maxAnswer int64  // bytes of the answer that are read; 0 for maxBody
	answer    []byte // as it came
}

// Invoke makes a call. Every call of a Client goes through its one Invoke.
type Invoke func(ctx context.Context, call *Call) Outcome

// Middleware does something around each call.
type Middleware func(next Invoke) Invoke

// Watch is middleware that tells a function, which must be safe for concurrent use, what
// became of each call.
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

// timeLimit ends calls that take too long.
func timeLimit(longest time.Duration) Middleware {
	return func(next Invoke) Invoke {
		return func(ctx context.Context, call *Call) Outcome {
			ctx, cancel := context.WithTimeout(ctx, longest)
			defer cancel()
			return next(ctx, call)
		}
	}
}

// send makes a call over the network. It is what all middleware is around.
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
		} // else the call had its effect, and only what it gave is lost
	}
	return out
}

// wellFormed tells whether a token can stand in an address. Which tokens are
// right is for Telegram to say.
func wellFormed(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool {
		return !(r == ':' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	})
}

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
	late      atomic.Bool                  // it was not, because that had passed
	params    atomic.Pointer[bytes.Reader] // what is written; nil for nothing
	maxAnswer int64                        // bytes of the answer that are read
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
	// It is read to its end, so that the connection can be used again.
	if x.body, err = io.ReadAll(io.LimitReader(resp.Body, x.maxAnswer+1)); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

var errTooLate = errors.New("it is too late to begin the call")

// trace notes whether anything was written. net/http announces the header before
// it flushes the first byte, and has ended writing when Do returns. It asks for
// a second connection only where the first took nothing of the request, or the
// server vouched for not having looked at it (HTTP/2 GOAWAY, REFUSED_STREAM).
//
// A request that is too late loses its body: then nothing is flushed, and of what HTTP/2
// has sent, without its body, no server does anything. It is looked for by who writes it,
// right before that: so not even a process that stands still between any two steps writes
// it late. A reader of our own would do as well, but net/http sends the header ahead of
// what is none of its readers in memory: a second packet, a fifteenth of a sender's time.
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
