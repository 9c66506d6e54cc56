package botapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

const (
	webhookTimeout  = 60 * time.Second
	maxWebhookRetry = time.Minute
	lookAhead       = 1000 // updates among which free chats are looked for
)

// Deliver posts updates to the bots' webhooks until ctx ends, each at least
// once: what isn't answered with a 2xx is posted again. Updates of one chat go
// one after the other, those of different chats side by side, up to the
// webhook's max_connections.
func (a *API) Deliver(ctx context.Context) error {
	running := map[int64]*delivery{}
	defer func() {
		for _, d := range running {
			d.end()
		}
	}()
	for {
		hooks, changed := a.World.Webhooks()
		for bot, d := range running {
			if hook, ok := hooks[bot]; !ok || hook != d.hook {
				d.end()
				delete(running, bot)
			}
		}
		for bot, hook := range hooks {
			if running[bot] == nil {
				running[bot] = a.deliver(ctx, bot, hook)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// delivery brings one bot's updates to its webhook.
type delivery struct {
	api    *API
	bot    int64
	hook   world.Webhook
	client *http.Client

	cancel context.CancelFunc
	over   chan struct{}
}

func (a *API) deliver(ctx context.Context, bot int64, hook world.Webhook) *delivery {
	ctx, cancel := context.WithCancel(ctx)
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: hook.MaxConnections, MaxIdleConnsPerHost: hook.MaxConnections,
		IdleConnTimeout: webhookTimeout,
	}
	d := &delivery{
		api: a, bot: bot, hook: hook, cancel: cancel, over: make(chan struct{}),
		client: &http.Client{Transport: transport, Timeout: webhookTimeout},
	}
	go func() {
		defer close(d.over)
		defer transport.CloseIdleConnections()
		d.run(ctx)
	}()
	return d
}

// end stops the delivery and waits for it.
func (d *delivery) end() {
	d.cancel()
	<-d.over
}

// run passes updates to free chats. It drops the oldest updates once all before them are
// delivered.
func (d *delivery) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	defer func() {
		cancel()
		_ = group.Wait() // its functions return nil
	}()
	var (
		delivered = map[int64]bool{} // by update id
		busy      = map[int64]bool{} // by chat
		arrived   = make(chan world.Event)
	)
	for {
		wake := d.api.World.Wake(d.bot)
		events, err := d.api.World.Updates(d.bot, 0, lookAhead)
		if err != nil {
			return // the bot is gone
		}
		for _, e := range events {
			if delivered[e.ID] || busy[e.Chat] || len(busy) >= d.hook.MaxConnections {
				continue
			}
			busy[e.Chat] = true
			group.Go(func() error {
				if !d.insist(ctx, e) {
					return nil
				}
				select {
				case arrived <- e:
				case <-ctx.Done():
				}
				return nil
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case e := <-arrived:
			delete(busy, e.Chat)
			delivered[e.ID] = true
			d.confirm(events, delivered)
		}
	}
}

// confirm forgets the delivered updates that no undelivered one precedes.
func (d *delivery) confirm(events []world.Event, delivered map[int64]bool) {
	n := slices.IndexFunc(events, func(e world.Event) bool { return !delivered[e.ID] })
	if n < 0 {
		n = len(events)
	}
	if n == 0 {
		return
	}
	// It fails when the state can't be written; then the updates come again.
	if err := d.api.World.Confirm(d.bot, events[n-1].ID+1); err != nil {
		d.api.Log.Warn("delivered updates could not be forgotten", zap.Int64("bot", d.bot), zap.Error(err))
		return
	}
	for _, e := range events[:n] {
		delete(delivered, e.ID)
	}
}
