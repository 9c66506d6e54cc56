package command

import (
	"context"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/clock"
	"github.com/chorus-cast/chorus/services/internal/infra/ops"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// probeEvery is the minimum interval of probes that write or read many rows, however often
// readiness is asked.
const probeEvery = 10 * time.Second

// checks returns the readiness checks. A service is ready if it can do its work.
func (p *process) checks(ctx context.Context, m module) ([]ops.Check, error) {
	checks := []ops.Check{
		{Name: "database", Probe: p.clock.Measure},
		{Name: "database_writes", Every: probeEvery, Probe: func(ctx context.Context) error { return store.Writable(ctx, p.pool) }},
		{Name: "bus", Probe: p.bus.Ready},
		{Name: "bus_writes", Every: probeEvery, Probe: func(ctx context.Context) error { return p.bus.Writable(ctx, m.streams...) }},
		ops.Stopping(ctx),
	}
	if !m.tokens {
		return checks, nil
	}
	keys, err := p.cfg.keyring()
	if err != nil {
		return nil, run.Usage(err)
	}
	return append(checks, ops.Check{Name: "tokens", Every: probeEvery, Probe: func(ctx context.Context) error {
		return rosterpg.Tokens{Keyring: keys}.Openable(ctx, p.pool)
	}}), nil
}

// telegram returns a client of Telegram and the keys of the bots' tokens.
func (p *process) telegram() (secret.Keyring, *telegram.Client, error) {
	keys, err := p.cfg.keyring()
	if err != nil {
		return keys, nil, run.Usage(err)
	}
	client, err := telegram.New(p.cfg.telegram)
	if err != nil {
		return keys, nil, err
	}
	tell := p.clocks.To(clock.Telegram)
	return keys, client.With(telegram.Watch(func(_ string, out telegram.Outcome, _ time.Duration) {
		if !out.At.IsZero() {
			tell(out.At)
		}
	})), nil
}

// opener returns a function that opens tokens and counts failures.
func (p *process) opener(keys secret.Keyring) func(bot string, sealed []byte) (secret.String, error) {
	tokens := rosterpg.Tokens{Keyring: keys}
	return func(bot string, sealed []byte) (secret.String, error) {
		token, err := tokens.Open(bot, sealed)
		if err != nil {
			p.unopened.Inc()
		}
		return token, err
	}
}
