package telegram

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/go-telegram/bot"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// LongestPoll is how long Telegram keeps a poll open at most.
const LongestPoll = 50 * time.Second

// MaxUpdates is how many updates Telegram gives at once at most.
const MaxUpdates = 100

// Poll asks for updates.
type Poll struct {
	// Offset confirms all updates before it, which Telegram then forgets; 0
	// confirms none.
	Offset int64
	// Limit is how many are wanted, 1 to MaxUpdates.
	Limit int
	// Wait is how long to wait for the first one, at most LongestPoll, and less
	// where the client's time-out would end the call.
	Wait time.Duration
	// Allowed are the kinds that the bot wants from now on.
	Allowed []string
}

// Batch is what a poll gave.
type Batch struct {
	// Updates are as Telegram wrote them, in the order of their ids.
	Updates []json.RawMessage
	// Unreadable is the id of the first update in an answer that can't be read as a
	// whole, because it is too long or something in it is no JSON; 0 for none. With a
	// smaller Limit the rest may be readable.
	Unreadable int64
}

// GetUpdates waits for updates. They are complete if the outcome is Done; else
// there are none. A conflict with another poll or a webhook has the status 409.
func (c *Client) GetUpdates(ctx context.Context, token secret.String, p Poll) (Batch, Outcome) {
	wait := min(p.Wait, LongestPoll, c.cfg.Timeout*2/3)
	var b Batch
	call := &Call{Method: "getUpdates", Token: token, Result: &b.Updates, ResultOnly: true, maxAnswer: maxUpdates, Params: struct {
		Offset  int64    `json:"offset"`
		Limit   int      `json:"limit"`
		Timeout int      `json:"timeout"`
		Allowed []string `json:"allowed_updates"`
	}{p.Offset, p.Limit, int(wait / time.Second), p.Allowed}}
	out := c.invoke(ctx, call)
	if out.Kind == Unknown && out.Status == http.StatusOK {
		b.Unreadable = firstUpdate(call.answer)
	}
	return b, out
}

// firstUpdate finds the first update's id in an answer that can't be read: the
// API writes it before everything else. 0 is none.
func firstUpdate(body []byte) int64 {
	const near = 1 << 10
	found := regexp.MustCompile(`"update_id"\s*:\s*([0-9]{1,18})\b`).FindSubmatch(body[:min(len(body), near)])
	if found == nil {
		return 0
	}
	id, _ := strconv.ParseInt(string(found[1]), 10, 64) // 18 digits fit
	return id
}

// Webhook is where Telegram is to bring a bot's updates.
type Webhook struct {
	URL string
	// Secret comes in a header of each request, so that others can be told from
	// Telegram: 1 to 256 of A-Z, a-z, 0-9, _ and -.
	Secret secret.String
	// Connections is how many requests may be under way at once, 1 to 100.
	Connections int
	Allowed     []string
}

// SetWebhook has a bot's updates brought. To set what is set changes nothing.
func (c *Client) SetWebhook(ctx context.Context, token secret.String, w Webhook) Outcome {
	return c.invoke(ctx, &Call{Method: "setWebhook", Token: token, Params: &bot.SetWebhookParams{
		URL: w.URL, SecretToken: w.Secret.Reveal(), MaxConnections: w.Connections, AllowedUpdates: w.Allowed,
	}})
}

// DeleteWebhook has a bot's updates wait for GetUpdates; none is dropped.
func (c *Client) DeleteWebhook(ctx context.Context, token secret.String) Outcome {
	return c.invoke(ctx, &Call{Method: "deleteWebhook", Token: token})
}

// WebhookInfo is how it stands with the updates that Telegram is to bring.
type WebhookInfo struct {
	// URL is empty where none is set, and updates are asked for.
	URL string `json:"url"`
	// Pending is how many updates wait.
	Pending int `json:"pending_update_count"`
	// LastErrorDate is when Telegram could not bring an update last, in seconds since
	// 1970; 0 for never. LastError says why not.
	LastErrorDate int64  `json:"last_error_date"`
	LastError     string `json:"last_error_message"`
}

// webhookTroubled is for how long after its last error a webhook counts as one that
// can't be reached although nothing waits.
const webhookTroubled = 2 * time.Minute

// Failing tells whether Telegram could not bring updates lately, or has some that
// it could not bring.
func (w WebhookInfo) Failing(now time.Time) bool {
	return w.URL != "" && w.LastErrorDate > 0 && (w.Pending > 0 || now.Sub(w.LastErrorAt()) < webhookTroubled)
}

// LastErrorAt is when Telegram could not bring an update last.
func (w WebhookInfo) LastErrorAt() time.Time { return time.Unix(w.LastErrorDate, 0) }

// GetWebhook tells how it stands with a bot's webhook. WebhookInfo is filled if the
// outcome is Done.
func (c *Client) GetWebhook(ctx context.Context, token secret.String) (WebhookInfo, Outcome) {
	var info WebhookInfo
	out := c.look(ctx, token, "getWebhookInfo", nil, &info)
	return info, out
}
