package botapi

import (
	"net/http"
	"net/url"
	"regexp"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

const (
	maxSecret          = 256
	maxConnections     = 100
	defaultConnections = 40
)

var secretPattern = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

type webhookInfo struct {
	URL                  string   `json:"url"`
	HasCustomCertificate bool     `json:"has_custom_certificate"`
	PendingUpdateCount   int      `json:"pending_update_count"`
	LastErrorDate        int64    `json:"last_error_date,omitempty"`
	LastErrorMessage     string   `json:"last_error_message,omitempty"`
	MaxConnections       int      `json:"max_connections,omitempty"`
	AllowedUpdates       []string `json:"allowed_updates,omitempty"`
}

// setWebhook takes plain http too, like a Bot API server of one's own.
func (a *API) setWebhook(c *call) (effect, error) {
	address := c.params.text("url")
	if address == "" {
		return a.deleteWebhook(c)
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return nil, badRequest("invalid webhook URL specified")
	}
	secret := c.params.text("secret_token")
	switch {
	case len(secret) > maxSecret:
		return nil, badRequest("secret token is too long")
	case !secretPattern.MatchString(secret):
		return nil, badRequest("secret token contains unallowed characters")
	}
	next := world.Webhook{
		URL: address, Secret: secret,
		MaxConnections: int(c.params.between("max_connections", defaultConnections, 1, maxConnections)),
	}
	drop := c.params.flag("drop_pending_updates")
	return func() (answer, error) {
		if err := a.allow(c); err != nil {
			return answer{}, err
		}
		old, _ := a.World.WebhookOf(c.bot.ID)
		if old != nil && !drop && old.URL == next.URL && old.Secret == next.Secret && old.MaxConnections == next.MaxConnections {
			return answer{status: http.StatusOK, result: true, description: "Webhook is already set", effect: unchanged}, nil
		}
		if err := a.World.SetWebhook(c.bot.ID, &next, drop); err != nil {
			return answer{}, err
		}
		a.polls.interrupt(c.bot.ID, bySetWebhook)
		return answer{status: http.StatusOK, result: true, description: "Webhook was set", effect: set}, nil
	}, nil
}

func (a *API) deleteWebhook(c *call) (effect, error) {
	drop := c.params.flag("drop_pending_updates")
	return func() (answer, error) {
		old, _ := a.World.WebhookOf(c.bot.ID)
		if old == nil && !drop {
			return answer{status: http.StatusOK, result: true, description: "Webhook is already deleted", effect: unchanged}, nil
		}
		if err := a.World.SetWebhook(c.bot.ID, nil, drop); err != nil {
			return answer{}, err
		}
		return answer{status: http.StatusOK, result: true, description: "Webhook was deleted", effect: set}, nil
	}, nil
}

func (a *API) getWebhookInfo(c *call) (effect, error) {
	info := webhookInfo{PendingUpdateCount: a.World.Pending(c.bot.ID)}
	hook, allowed := a.World.WebhookOf(c.bot.ID)
	if hook == nil {
		return always(done(info, none))
	}
	info.URL, info.MaxConnections, info.AllowedUpdates = hook.URL, hook.MaxConnections, allowed
	if !hook.LastErrorAt.IsZero() {
		info.LastErrorDate, info.LastErrorMessage = hook.LastErrorAt.Unix(), hook.LastError
	}
	return always(done(info, none))
}
