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

// LongestPoll is the longest time that Telegram keeps a poll open.
const LongestPoll = 50 * time.Second

// MaxUpdates is the largest number of updates in one response.
const MaxUpdates = 100

// Poll holds the parameters of GetUpdates.
type Poll struct {
	// Offset confirms all updates before it, which Telegram then deletes; 0 confirms none.
	Offset int64
	// Limit is the largest number of updates to return, 1 to MaxUpdates.
	Limit int
	// Wait limits the wait for the first update. LongestPoll and two thirds of the
	// client's time-out limit it.
	Wait time.Duration
	// Allowed lists the kinds of updates that the bot wants from now on.
	Allowed []string
}

// Batch is the result of a poll.
type Batch struct {
	// Updates holds the updates as Telegram wrote them, in the order of their ids.
	Updates []json.RawMessage
	// Unreadable is the id of the first update if the response as a whole can't be read,
	// because it is too long or some of it isn't JSON; else 0. With a smaller Limit the
	// rest may be readable.
	Unreadable int64
}

// GetUpdates waits for updates. The batch is complete if the outcome is Done, else empty. A
// conflict with another poll or a webhook has the status 409.
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

// firstUpdate extracts the first update's id from an unreadable response: the API writes it
// before everything else. It returns 0 if there is none.
func firstUpdate(body []byte) int64 {
	const near = 1 << 10
	found := regexp.MustCompile(`"update_id"\s*:\s*([0-9]{1,18})\b`).FindSubmatch(body[:min(len(body), near)])
	if found == nil {
		return 0
	}
	id, _ := strconv.ParseInt(string(found[1]), 10, 64) // 18 digits fit
	return id
}

// Webhook tells Telegram where to deliver a bot's updates.
type Webhook struct {
	URL string
	// Secret is sent in a header of each request, to tell Telegram's requests from others:
	// 1 to 256 of A-Z, a-z, 0-9, _ and -.
	Secret secret.String
	// Connections limits concurrent requests, 1 to 100.
	Connections int
	Allowed     []string
}

// SetWebhook makes Telegram deliver a bot's updates to a webhook. It is idempotent.
func (c *Client) SetWebhook(ctx context.Context, token secret.String, w Webhook) Outcome {
	return c.invoke(ctx, &Call{Method: "setWebhook", Token: token, Params: &bot.SetWebhookParams{
		URL: w.URL, SecretToken: w.Secret.Reveal(), MaxConnections: w.Connections, AllowedUpdates: w.Allowed,
	}})
}

// DeleteWebhook makes a bot's updates wait for GetUpdates. Telegram drops none.
func (c *Client) DeleteWebhook(ctx context.Context, token secret.String) Outcome {
	return c.invoke(ctx, &Call{Method: "deleteWebhook", Token: token})
}

// WebhookInfo is the state of a bot's webhook.
type WebhookInfo struct {
	// URL is empty if no webhook is set and updates are polled.
	URL string `json:"url"`
	// Pending is the number of waiting updates.
	Pending int `json:"pending_update_count"`
	// LastErrorDate is the time of the last failed delivery, in seconds since 1970; 0 for
	// none. LastError is its reason.
	LastErrorDate int64  `json:"last_error_date"`
	LastError     string `json:"last_error_message"`
}

// webhookTroubled is how long after its last error a webhook without waiting updates counts
// as failing.
const webhookTroubled = 2 * time.Minute

// Failing reports whether deliveries failed recently, or failed updates are still waiting.
func (w WebhookInfo) Failing(now time.Time) bool {
	return w.URL != "" && w.LastErrorDate > 0 && (w.Pending > 0 || now.Sub(w.LastErrorAt()) < webhookTroubled)
}

// LastErrorAt returns the time of the last failed delivery.
func (w WebhookInfo) LastErrorAt() time.Time { return time.Unix(w.LastErrorDate, 0) }

// GetWebhook returns the state of a bot's webhook. WebhookInfo is filled if the outcome is
// Done.
func (c *Client) GetWebhook(ctx context.Context, token secret.String) (WebhookInfo, Outcome) {
	var info WebhookInfo
	out := c.look(ctx, token, "getWebhookInfo", nil, &info)
	return info, out
}
