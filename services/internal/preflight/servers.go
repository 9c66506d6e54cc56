package preflight

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/clock"
	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster"
)

const (
	// serverTimeout limits the wait for a server.
	serverTimeout = 5 * time.Second
	// oldestPostgres is the oldest major version that the schema is tested with.
	oldestPostgres = 15
)

// Database checks PostgreSQL and the schema. The returned pool is nil if it can't be used; the
// caller must close it.
func Database(ctx context.Context, cfg store.Config) (*pgxpool.Pool, []Finding) {
	const check = "database"
	if cfg.URL == "" {
		return nil, []Finding{fail(check, "", "no database is configured", "set CHORUS_DATABASE_URL, or CHORUS_DATABASE_URL_FILE")}
	}
	cfg.ConnectTimeout = min(cfg.ConnectTimeout, serverTimeout)
	pool, err := store.Dial(ctx, cfg)
	if err != nil {
		if refused := (*store.RefusedError)(nil); errors.As(err, &refused) {
			return nil, []Finding{fail(check, "", "database.url: "+refused.Said, refused.Remedy)}
		}
		return nil, []Finding{fail(check, "", err.Error(), "start PostgreSQL (chorus up starts its own), or correct database.url")}
	}
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	var version int
	var name, commit string
	var now time.Time
	err = pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int / 10000,
    current_setting('server_version'), current_setting('synchronous_commit'), clock_timestamp()`).Scan(&version, &name, &commit, &now)
	if err != nil {
		pool.Close()
		return nil, []Finding{fail(check, "", "PostgreSQL does not answer: "+err.Error(), "look at its log")}
	}
	findings := []Finding{well(check, "server", "PostgreSQL "+name)}
	if version < oldestPostgres {
		findings[0] = fail(check, "server", "PostgreSQL "+name, fmt.Sprintf("use version %d or newer", oldestPostgres))
	}
	findings = append(findings, clocks(clock.PostgreSQL, time.Now(), now))
	if commit == "off" || commit == "local" {
		findings = append(findings, warn(check, "commits", "synchronous_commit is "+commit+": a crash of the server may lose what was answered",
			"set synchronous_commit to on"))
	}
	if err := migrations.Check(ctx, pool); err != nil {
		pool.Close()
		remedy := "run chorus migrate up"
		if wrong := (*migrations.VersionError)(nil); errors.As(err, &wrong) && wrong.Have > wrong.Want {
			remedy = "use the build that the schema was made by, or a newer one"
		}
		return nil, append(findings, fail(check, "schema", store.Refusal(err).Error(), remedy))
	}
	findings = append(findings, well(check, "schema", "as this build needs it"))
	if err := store.Writable(ctx, pool); err != nil {
		return pool, append(findings, fail(check, "writes", err.Error(), "make room on its disk, or connect to the primary"))
	}
	return pool, append(findings, well(check, "writes", "are taken"))
}

// Bus checks NATS, its streams and its consumers.
func Bus(ctx context.Context, cfg bus.Config) []Finding {
	const check = "bus"
	if cfg.URL == "" {
		return []Finding{fail(check, "", "no bus is configured", "set CHORUS_NATS_URL")}
	}
	cfg.ConnectTimeout = min(cfg.ConnectTimeout, serverTimeout)
	b, err := bus.Connect(ctx, cfg, zap.NewNop(), "chorus-check")
	if err != nil {
		return []Finding{fail(check, "", err.Error(), "start NATS 2.10 or newer with JetStream, or correct nats.url")}
	}
	defer b.Close()
	findings := []Finding{well(check, "server", "NATS with JetStream")}
	if err := b.Verify(ctx); err != nil {
		return append(findings, fail(check, "streams", err.Error(), "run chorus migrate up"))
	}
	findings = append(findings, well(check, "streams", "as this build needs them"), writable(ctx, b))
	if now, err := b.Time(ctx); err == nil {
		findings = append(findings, clocks(clock.NATS, time.Now(), now))
	}
	if cfg.Replicas == 1 {
		findings = append(findings, warn(check, "replicas", "each stream is on one server: while that is away, turns wait",
			"in production, run three servers and set nats.replicas to 3"))
	}
	return findings
}

// writable stores and deletes a message in every stream.
func writable(ctx context.Context, b *bus.Bus) Finding {
	const check, subject = "bus", "writes"
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	if err := b.Writable(ctx, bus.Streams()...); err != nil {
		return fail(check, subject, err.Error(), "docs/operations.md tells what to do about a full bus or disk")
	}
	return well(check, subject, "every stream takes messages")
}

// Redis checks Redis, which is optional.
func Redis(ctx context.Context, cfg redisdb.Config) []Finding {
	const check = "redis"
	const alone = "every sender keeps to its share of the limits"
	if cfg.URL == "" {
		return []Finding{warn(check, "", "none is configured: "+alone, "set CHORUS_REDIS_URL where several senders run")}
	}
	within := cfg.Timeout
	cfg.Timeout = max(cfg.Timeout, serverTimeout/2) // a slow Redis must not look like a dead one
	client, err := redisdb.Open(cfg)
	if err != nil {
		return []Finding{fail(check, "", err.Error(), "correct redis.url")}
	}
	defer func() { _ = client.Close() }() // it only closes connections
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	for _, try := range []func(context.Context) error{
		limit.NewRedis(client, time.Second).Try,
		func(ctx context.Context) error { return cache.Try(ctx, client) },
	} {
		if err := try(ctx); err != nil {
			trouble := redisdb.Explain(err)
			return []Finding{warn(check, "", "can't be used: "+trouble.Found+": "+alone, trouble.Remedy)}
		}
	}
	began := time.Now()
	if err := client.Ping(ctx).Err(); err == nil && time.Since(began) > within {
		return []Finding{warn(check, "", fmt.Sprintf("answers after %v, later than services wait (%v): %s", time.Since(began).Round(time.Millisecond), within, alone),
			"raise redis.timeout, or use a Redis that is nearer")}
	}
	return []Finding{well(check, "", "takes all that limits and the cache ask of it")}
}

// clocks compares this machine's time with a server's.
func clocks(server string, ours, theirs time.Time) Finding {
	const check = "clock"
	ahead := ours.Sub(theirs)
	if ahead.Abs() <= clock.Tolerance {
		return well(check, server, "agrees with this machine's")
	}
	how := "ahead of"
	if ahead < 0 {
		how = "behind"
	}
	remedy := "compare both machines with an NTP server, and run NTP (chrony, systemd-timesyncd) on the one that is wrong"
	if server == clock.Telegram {
		remedy = "run NTP (chrony, systemd-timesyncd) on this machine"
	}
	return warn(check, server, fmt.Sprintf("this machine's clock is %v %s that of %s", ahead.Abs().Round(time.Second), how, server), remedy)
}

// telegramClock compares clocks by the time of Telegram's answer to one of the bots.
func telegramClock(ctx context.Context, api Asker, bots map[string]roster.Bot) []Finding {
	for _, b := range bots {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		if _, out := api.GetMe(ctx, b.Secret); !out.At.IsZero() {
			return []Finding{clocks(clock.Telegram, time.Now(), out.At)}
		}
		break
	}
	return nil
}
