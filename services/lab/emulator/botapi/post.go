package botapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

const (
	secretHeader    = "X-Telegram-Bot-Api-Secret-Token" //nolint:gosec // the name of a header
	maxReply        = 1 << 20
	longestRetryHdr = time.Hour // what a webhook may ask for
)

// insist posts an update until the receiver takes it or ctx ends. It reports whether the receiver
// took it.
func (d *delivery) insist(ctx context.Context, e world.Event) bool {
	pause := d.api.WebhookRetry
	for {
		retryAfter, err := d.post(ctx, e)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		d.api.World.WebhookFailed(d.bot, err.Error())
		timer := time.NewTimer(max(pause, retryAfter))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		pause = min(pause+pause, maxWebhookRetry)
	}
}

// post makes one attempt. It returns the pause that the receiver asks for.
func (d *delivery) post(ctx context.Context, e world.Event) (time.Duration, error) {
	body, err := json.Marshal(updateOf(e))
	if err != nil {
		return 0, fmt.Errorf("write the update: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.hook.URL, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("call the webhook: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if d.hook.Secret != "" {
		req.Header.Set(secretHeader, d.hook.Secret)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, describe(err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return 0, describe(err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		retryAfter, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return min(time.Duration(max(retryAfter, 0))*time.Second, longestRetryHdr),
			fmt.Errorf("Wrong response from the webhook: %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)) //nolint:staticcheck // Telegram's words
	}
	d.obey(reply)
	return 0, nil
}

// describe returns the text that getWebhookInfo shows for a failed connection.
func describe(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err // without the address
	}
	return fmt.Errorf("Connection failed: %w", err) //nolint:staticcheck // Telegram's words
}

// obey carries out a call that the receiver's response contains. As on Telegram, the receiver
// never sees the result; only the log has it.
func (d *delivery) obey(reply []byte) {
	p := params{}
	if len(reply) == 0 || reply[0] != '{' || p.readJSON(reply) != nil {
		return
	}
	m, ok := d.api.methods[strings.ToLower(p.text("method"))]
	if !ok {
		return
	}
	bot, ok := d.api.World.AccountByID(d.bot)
	if !ok {
		return
	}
	delete(p, "method")
	c := newCall(d.api.Now(), m.name)
	c.bot, c.method, c.params = bot, m, p
	c.chat, _ = p.chat()
	d.api.perform(c)
}
