package command

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/clock"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/metric"
	"github.com/chorus-cast/chorus/services/internal/infra/ops"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/startup"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/internal/status"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// process holds what the services of one process share.
type process struct {
	cfg      *configuration
	log      *zap.Logger
	metrics  *prometheus.Registry
	tracing  *telemetry.Tracing
	pool     *pgxpool.Pool
	rows     *pgxpool.Pool // for statements that address rows by keys
	bus      *bus.Bus
	lease    *lease.Lease // proves that this process lives
	stages   *stage.Metrics
	unopened prometheus.Counter // tokens that could not be opened
	clocks   *clock.Differences
	clock    *clock.Clock    // PostgreSQL's time
	redis    []*redis.Client // each with its own connections; empty without Redis
	settings *settingspg.Watch
	ops      *ops.Server
	cache    *cache.Cache
	reading  *pgxpool.Pool // for reads on a cache miss
	rostered *rostercache.Roster

	group run.Group
	// emulator controls the emulator of this process, if it has one.
	emulator *control.Client
	// consoleURL is the address of the console, set once it listens.
	consoleURL string
	// emulatorURL is the address of the emulator's page, if it runs in this process.
	emulatorURL string
	// breakers return the circuit breakers that are not closed.
	breakers []func() []status.Breaker
	// rests returns the providers of texts that are not called for a while; nil without a
	// generator.
	rests func() []status.Rest
	// changed holds the functions to call after a setting or the roster has changed or may
	// have changed.
	changed []func()
}

// newProcess creates the parts that need no server.
func newProcess(ctx context.Context, cfg *configuration, name string) (*process, error) {
	log, err := telemetry.NewLogger(cfg.log, os.Stderr)
	if err != nil {
		return nil, err
	}
	p := &process{cfg: cfg, log: log, metrics: telemetry.NewRegistry(telemetry.ReadBuild())}
	p.tracing, err = telemetry.NewTracing(ctx, cfg.trace, "chorus-"+name, telemetry.ReadBuild(), log)
	if err != nil {
		return nil, err
	}
	p.group.Log = log
	p.stages = stage.NewMetrics(p.metrics)
	p.unopened = metric.Counter(p.metrics, "chorus_tokens_unopened_total", "Times that a bot's token could not be opened: its key is missing, or it was changed.")
	p.clocks = clock.New(p.metrics, time.Now)
	p.clock = clock.Follow(time.Now, p.databaseTime(p.clocks.To(clock.PostgreSQL)))
	return p, nil
}

// connect connects to the database and the bus, and checks that both fit this build. It
// creates missing streams of the bus again.
func (p *process) connect(ctx context.Context, m module, opts ...nats.Option) (err error) {
	p.cfg.database.Name = "chorus-" + m.name
	work, _, rows := p.cfg.database.Split()
	if p.pool, err = store.Open(ctx, work); err != nil {
		return err
	}
	if p.rows, err = store.Open(ctx, rows); err != nil {
		return err
	}
	p.lease = lease.New(p.pool, m.kind, p.log.Named("lease"))
	if p.bus, err = bus.Connect(ctx, p.cfg.nats, p.log, "chorus-"+m.name, opts...); err != nil {
		return err
	}
	p.bus.TellTime(p.clocks.To(clock.NATS))
	if err := startup.Wait(ctx, p.cfg.nats.ConnectTimeout, bus.Passes, p.bus.Ensure); err != nil {
		return err
	}
	err = startup.Wait(ctx, p.cfg.database.ConnectTimeout, store.Passes, func(ctx context.Context) (err error) {
		p.settings, err = settingspg.Open(ctx, p.pool, p.log)
		return err
	})
	if err != nil {
		return err
	}
	// Times of rows are compared with PostgreSQL's clock only, never with this process'.
	if err := startup.Wait(ctx, p.cfg.database.ConnectTimeout, store.Passes, p.clock.Measure); err != nil {
		return err
	}
	return p.remember(ctx)
}

// databaseTime returns a function that reads the database's time and passes it to told.
func (p *process) databaseTime(told func(time.Time)) func(context.Context) (time.Time, error) {
	return func(ctx context.Context) (time.Time, error) {
		now, err := store.Time(ctx, p.pool)
		if err == nil {
			told(now)
		}
		return now, err
	}
}

// close closes everything that connect opened.
func (p *process) close() {
	if p.cache != nil {
		p.cache.Close()
	}
	for _, client := range p.redis {
		_ = client.Close() // it only closes connections
	}
	if p.bus != nil {
		p.bus.Close()
	}
	for _, pool := range []*pgxpool.Pool{p.pool, p.reading, p.rows} {
		if pool != nil {
			pool.Close()
		}
	}
}

// operate opens the port for operators, and adds the parts that every process runs. It is
// called before the services are added, so these parts stop after them.
func (p *process) operate(ctx context.Context, m module) error {
	checks, err := p.checks(ctx, m)
	if err != nil {
		return err
	}
	server, err := ops.Open(ctx, p.cfg.ops, p.metrics, p.log, checks...)
	if err != nil {
		return err
	}
	p.ops = server
	p.group.Add(
		run.Part{Name: "ops", Run: server.Run},
		run.Part{Name: "traces", Run: p.tracing.Run},
		run.Part{Name: "cache", Run: p.cache.Run},
		run.Part{Name: "status", Run: p.tellStatus(m.name)},
		run.Part{Name: "clock", Run: p.clock.Run},
		run.Part{Name: "lease", Run: p.lease.Run},
		run.Part{Name: "notifications", Run: listen.New(p.pool, p.log, p.changes(), p.settings.Channel()).Run},
	)
	p.group.Add(run.Part{Name: "notices", Run: p.notice})
	return nil
}

// notice calls the services after changes, and restores missing streams when the bus is
// back. Sweeps find the rows of lost rings.
func (p *process) notice(ctx context.Context) error {
	for {
		changed := p.settings.Changed()
		select {
		case <-ctx.Done():
			return nil
		case <-p.bus.Restored():
			if err := p.bus.Restore(ctx); err != nil && ctx.Err() == nil {
				p.log.Warn("what the bus lacks could not be made yet", zap.Error(err))
			}
		case <-changed:
			call(p.changed)
		}
	}
}

func call(all []func()) {
	for _, f := range all {
		f()
	}
}

// run runs the added parts until the context ends.
func (p *process) run(ctx context.Context) error {
	if err := p.group.Run(ctx); err != nil {
		return fmt.Errorf("stopped: %w", err)
	}
	return nil
}

// limits returns the senders' limits. They are shared through Redis; without Redis each
// process takes its share for the number of replicas.
func (p *process) limits(replicas func() int) (limit.Limiter, error) {
	window := p.cfg.sender.FloodWindow
	local := limit.NewLocal(window, replicas)
	if p.cfg.redis.URL == "" {
		return local, nil
	}
	client, err := redisdb.Open(p.cfg.redis)
	if err != nil {
		return nil, err
	}
	p.redis = append(p.redis, client)
	return limit.NewShared(limit.NewRedis(client, window), local, p.cfg.redis.Timeout,
		limit.NewMetrics(p.metrics), p.log.Named("limits")), nil
}

// remember creates the cache that the services of this process share. It has its own Redis
// client, so that limits and the cache don't wait for each other.
//
// It also has its own database connections. A planner reads from it while it holds a
// connection of the other pools; with one pool, many planners at once would wait for each
// other.
func (p *process) remember(ctx context.Context) (err error) {
	_, reading, _ := p.cfg.database.Split()
	if p.reading, err = store.Open(ctx, reading); err != nil {
		return err
	}
	var client *redis.Client
	if p.cfg.redis.URL != "" {
		if client, err = redisdb.Open(redisdb.Config{URL: p.cfg.redis.URL, Timeout: p.cfg.cache.Timeout}); err != nil {
			return run.Usage(err)
		}
		p.redis = append(p.redis, client)
	}
	p.cache = cache.New(p.cfg.cache, client, cache.NewMetrics(p.metrics), p.log.Named("cache"))
	p.rostered = rostercache.New(p.reading, p.cache)
	return nil
}

// changes returns the channel of roster changes. It updates the cache and then calls the
// services that act on changes of bots, chats and casts.
func (p *process) changes() listen.Channel {
	feed := cachepg.New(p.reading, p.cache, p.log.Named("cache"))
	return feed.Tell(func() { call(p.changed) }, rostercache.Rows()...).Channel()
}
