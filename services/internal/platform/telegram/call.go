package telegram

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// call makes one call through the library and reads its result, unless that is
// nil.
func (c *Client) call(ctx context.Context, token secret.String, result any, through func(context.Context) error) Outcome {
	return c.callBy(ctx, time.Time{}, token, result, through)
}

// callBy is call, if it can begin by an instant.
func (c *Client) callBy(ctx context.Context, notAfter time.Time, token secret.String, result any, through func(context.Context) error) Outcome {
	return c.exchange(ctx, &exchange{token: token.Reveal(), notAfter: notAfter, most: maxBody}, result, through)
}

func (c *Client) exchange(ctx context.Context, x *exchange, result any, through func(context.Context) error) Outcome {
	if !wellFormed(x.token) {
		return Outcome{Kind: PermanentBot, Description: "the token is malformed, want NUMBER:KEY as @BotFather gave it"}
	}
	// The dial, the TLS handshake and the answer have limits of their own; this
	// one ends an answer that trickles.
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, exchangeKey{}, x), 2*c.cfg.ConnectTimeout+c.cfg.Timeout)
	defer cancel()
	err := through(ctx)
	if !x.asked {
		return Outcome{Kind: PermanentAction, Description: clean("the request can't be built: "+reason(err), x.token)}
	}
	out, raw := x.outcome()
	if c.timed != nil && !out.At.IsZero() {
		c.timed(out.At)
	}
	if out.Kind != Done || result == nil {
		return out
	}
	if err := json.Unmarshal(raw, result); err != nil {
		// The call had its effect; only what it gave is lost.
		out.Description = clean("the result can't be read: "+err.Error(), x.token)
	}
	return out
}

// look makes a call for its result only, which is unknown where it can't be read.
func (c *Client) look(ctx context.Context, token secret.String, result any, through func(context.Context) error) Outcome {
	out := c.call(ctx, token, result, through)
	if out.Kind == Done && out.Description != "" {
		out.Kind = Unknown
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
