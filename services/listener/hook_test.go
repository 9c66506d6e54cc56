package listener_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/listener"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// astray is a Telegram that gets a webhook address at which nobody listens.
type astray struct {
	listener.Telegram

	at   string
	asks atomic.Int64
}

func (a *astray) SetWebhook(ctx context.Context, token secret.String, w telegram.Webhook) telegram.Outcome {
	w.URL, w.Secret = a.at, secret.New("x")
	return a.Telegram.SetWebhook(ctx, token, w)
}

func (a *astray) GetWebhook(ctx context.Context, token secret.String) (telegram.WebhookInfo, telegram.Outcome) {
	a.asks.Add(1)
	return a.Telegram.GetWebhook(ctx, token)
}

func TestAWebhookThatTelegramCantReachIsTold(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	_, there := s.chat(world.Supergroup, "Here")
	registry := s.metrics
	tg := &astray{Telegram: s.telegram(), at: "http://" + freeAddress(t)}
	// A message arrives before the listener checks the webhook.
	token := value[string](s, `SELECT convert_from(token_sealed, 'UTF8') FROM bots WHERE id = $1`, s.bots[0])
	if out := tg.SetWebhook(t.Context(), secret.New(token), telegram.Webhook{Connections: 40, Allowed: incoming.Allowed()}); !out.OK() {
		t.Fatal(out.Err())
	}
	s.say(there, "Tom", "Does anybody hear me?", 0)
	testenv.Eventually(t, "the emulator has failed", func() (string, bool) {
		info, _ := tg.GetWebhook(t.Context(), secret.New(token))
		return info.LastError, info.Failing(time.Now())
	})
	at := freeAddress(t)
	s.listening(tg, func(c *listener.Config) { c.PublicURL, c.Listen = "http://"+at, at })
	testenv.Eventually(t, "it is told", func() (string, bool) {
		failing, pending := gauge(t, registry, "chorus_listener_webhooks_failing"), gauge(t, registry, "chorus_listener_webhook_pending")
		return "", failing == 1 && pending >= 1
	})
}

func gauge(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.EqualFold(f.GetName(), name) && len(f.GetMetric()) == 1 {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}
