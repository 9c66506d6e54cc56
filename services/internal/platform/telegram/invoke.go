package telegram

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
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
