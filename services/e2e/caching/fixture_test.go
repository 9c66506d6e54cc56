package caching_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/offline"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/casting"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/emulator"
	"github.com/chorus-cast/chorus/services/lab/emulator/emulatortest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/sender"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// fixture runs planner, generator and sender in this process, each with its own pool and
// cache like in separate processes, on real servers and with the example casts. The casts
// talk as fast as possible.
type fixture struct {
	t        testing.TB
	pool     *pgxpool.Pool // the test's own
	redis    *testenv.Cache
	telegram *emulator.Emulator
	keyring  secret.Keyring
	services map[string]*service
	stops    []func()
	version  int // counts the changes
}

// service is one of the three services.
type service struct {
	pool    *pgxpool.Pool
	asked   *statements
	cache   *cache.Cache // nil to read without a cache
	roster  *rostercache.Roster
	metrics *prometheus.Registry
	lease   *lease.Lease
}

func newFixture(t testing.TB, cached bool) *fixture {
	t.Helper()
	key, err := secret.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	fx := &fixture{t: t, pool: journaltest.Open(t), redis: testenv.RedisServer(t), services: map[string]*service{}}
	if fx.keyring, err = secret.ParseKeys(key.Reveal()); err != nil {
		t.Fatal(err)
	}
	fx.telegram = emulatortest.Start(t, func(c *emulator.Config) { c.Unlimited = true })
	for _, name := range []string{"book-club", "market-talk", "role-playing-table"} {
		fx.apply(name)
	}
	fx.exec(`UPDATE chats SET enabled = true, mean_gap = '1 second'`)
	fx.exec(`UPDATE bots SET active_hours = '{}', hourly_min = 0, hourly_max = 1200, tempo = 10`)
	// Turns come soon, but stay below the maximum of a chat's messages in a minute.
	fx.exec(`INSERT INTO settings (key, value) VALUES ('max_msgs_per_min', '60'), ('min_gap', '"50ms"'), ('scale_factor', '0.3')`)
	for name, kind := range map[string]lease.Kind{"planner": lease.Planner, "generator": lease.Generator, "sender": lease.Sender} {
		fx.services[name] = fx.service(name, kind, cached)
	}
	fx.start()
	return fx
}

func (fx *fixture) exec(sql string, args ...any) {
	fx.t.Helper()
	if _, err := fx.pool.Exec(fx.t.Context(), sql, args...); err != nil {
		fx.t.Fatalf("%s: %v", sql, err)
	}
}

func (fx *fixture) number(sql string, args ...any) float64 {
	fx.t.Helper()
	var n float64
	if err := fx.pool.QueryRow(fx.t.Context(), sql, args...).Scan(&n); err != nil {
		fx.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// apply applies one of the example casts.
func (fx *fixture) apply(name string) {
	fx.t.Helper()
	opts := casting.Options{
		Token: func(_ context.Context, b roster.Bot) (secret.String, error) {
			_, token, err := fx.telegram.World().RegisterBot(world.NewBot{Username: b.Name + "_bot", Name: b.Persona.DisplayName})
			return secret.New(token), err
		},
		Chat: func(_ context.Context, c roster.Chat, cast []roster.Bot) (int64, error) {
			members := make([]string, 0, len(cast))
			for _, b := range cast {
				members = append(members, b.Name+"_bot")
			}
			made, err := fx.telegram.World().PutChat(world.NewChat{Chat: world.Chat{Title: c.Name, Kind: world.Supergroup}, Members: members})
			return made.ID, err
		},
	}
	file := filepath.Join("..", "..", "..", "deploy", "examples", name+".yaml")
	if err := casting.Apply(fx.t.Context(), fx.pool, fx.keyring, file, opts, io.Discard); err != nil {
		fx.t.Fatal(err)
	}
}

func (fx *fixture) service(name string, kind lease.Kind, cached bool) *service {
	fx.t.Helper()
	s := &service{asked: newStatements(), metrics: prometheus.NewRegistry()}
	cfg := fx.pool.Config().Copy()
	cfg.ConnConfig.Tracer = s.asked
	var err error
	if s.pool, err = pgxpool.NewWithConfig(fx.t.Context(), cfg); err != nil {
		fx.t.Fatal(err)
	}
	fx.t.Cleanup(s.pool.Close)
	// It uses the test's pool, so that only the statements for turns are counted.
	s.lease = lease.New(fx.pool, kind, testenv.Logger(fx.t).Named(name))
	testenv.Background(fx.t, s.lease.Run)
	channels := []listen.Channel{}
	if cached {
		client, err := redisdb.Open(redisdb.Config{URL: fx.redis.URL(), Timeout: cache.DefaultConfig().Timeout})
		if err != nil {
			fx.t.Fatal(err)
		}
		fx.t.Cleanup(func() { _ = client.Close() })
		s.cache = cache.New(cache.DefaultConfig(), client, cache.NewMetrics(s.metrics), testenv.Logger(fx.t).Named(name))
		testenv.Background(fx.t, s.cache.Run)
		channels = append(channels, cachepg.New(fx.pool, s.cache, zap.NewNop()).Channel())
		testenv.Background(fx.t, listen.New(fx.pool, zap.NewNop(), channels...).Run)
		testenv.Eventually(fx.t, name+" hears of changes", func() (string, bool) { return "", s.cache.Connected() })
	}
	s.roster = rostercache.New(s.pool, s.cache)
	return s
}

// start starts the services, in the order of the pipeline.
func (fx *fixture) start() {
	fx.t.Helper()
	busCfg := bus.DefaultConfig()
	busCfg.URL = testenv.NATS(fx.t)
	b := bustest.Open(fx.t, busCfg)
	watch, err := settingspg.Open(fx.t.Context(), fx.pool, zap.NewNop())
	if err != nil {
		fx.t.Fatal(err)
	}
	texts, err := offline.New()
	if err != nil {
		fx.t.Fatal(err)
	}
	calls := telegram.DefaultConfig()
	calls.URL = fx.telegram.URL()
	client, err := telegram.New(calls)
	if err != nil {
		fx.t.Fatal(err)
	}
	fx.t.Cleanup(client.Close)

	s := fx.services["sender"]
	sending := sender.DefaultConfig()
	sending.Typing = false
	sending.Group = sender.ChatLimits{PerSecond: 1000, PerMinute: 60000}
	sending.Supergroup = sending.Group
	snd, err := sender.New(sending, sender.Deps{
		Pool: s.pool, Bus: b, Lease: s.lease, Telegram: client, Roster: s.roster, Open: rosterpg.Tokens{Keyring: fx.keyring}.Open, Log: testenv.Logger(fx.t),
	})
	if err != nil {
		fx.t.Fatal(err)
	}
	s = fx.services["generator"]
	book := usage.NewBook(s.pool, zap.NewNop())
	chained := chain.New([]chain.Link{{Name: "offline", Provider: texts, Limits: chain.DefaultLimits()}}, chain.Deps{Ledger: book, Log: zap.NewNop()})
	gen, err := generator.New(generator.DefaultConfig(), generator.Deps{Pool: s.pool, Bus: b, Lease: s.lease, Roster: s.roster, Texts: chained, Log: testenv.Logger(fx.t)})
	if err != nil {
		fx.t.Fatal(err)
	}
	s = fx.services["planner"]
	pl := planner.New(planner.DefaultConfig(), planner.Deps{
		Pool: s.pool, Bus: b, Lease: s.lease, Settings: watch, Roster: s.roster, Tracer: noop.NewTracerProvider().Tracer(""), Log: zap.NewNop(),
	})
	generating := func(ctx context.Context) error { return book.Around(ctx, gen.Run) }
	for _, run := range []func(context.Context) error{snd.Run, generating, pl.Run} {
		fx.stops = append(fx.stops, testenv.Background(fx.t, run))
	}
}

// stop stops the services, the planner first, so that every turn is completed.
func (fx *fixture) stop() {
	fx.t.Helper()
	fx.stops[2]()
	testenv.Eventually(fx.t, "every turn has ended", func() (string, bool) {
		open := fx.number(`SELECT count(*) FROM turns WHERE outcome IS NULL`)
		return fmt.Sprint(open), open == 0
	})
	fx.stops[1]()
	fx.stops[0]()
}

const (
	turnsDelivered = `SELECT count(*) FROM turns WHERE outcome IN ('delivered', 'fell_back')`

	// Texts rejected by the guard don't count as failed. With many turns a minute, the
	// offline writer's texts begin to resemble each other.
	failures    = ` FROM turns WHERE outcome NOT IN ('delivered', 'fell_back', 'passed') AND reason NOT LIKE 'the guard objects: %'`
	turnsFailed = `SELECT count(*)` + failures
)

// whyFailed returns why turns were not delivered, and how often; "" if all were.
func (fx *fixture) whyFailed() string {
	fx.t.Helper()
	const why = `
SELECT coalesce(string_agg(n || ' x ' || reason, '; '), '') FROM (
    SELECT outcome || ': ' || reason AS reason, count(*) AS n` + failures + ` GROUP BY 1) r`
	var text string
	if err := fx.pool.QueryRow(fx.t.Context(), why).Scan(&text); err != nil {
		fx.t.Fatal(err)
	}
	return text
}

// play waits until more turns are delivered.
func (fx *fixture) play(turns float64) {
	fx.t.Helper()
	end := fx.number(turnsDelivered) + turns
	testenv.Eventually(fx.t, fmt.Sprint(turns, " turns are delivered"), func() (string, bool) {
		n := fx.number(turnsDelivered)
		return fmt.Sprint(n), n >= end
	})
}

// asked returns how often each statement was executed since the last call, by service.
func (fx *fixture) asked() map[string]map[string]int {
	all := map[string]map[string]int{}
	for name, s := range fx.services {
		all[name] = s.asked.take()
	}
	return all
}

// lookups counts the cache's look-ups and its hits.
type lookups struct{ all, hits float64 }

func (l lookups) since(before lookups) lookups {
	return lookups{l.all - before.all, l.hits - before.hits}
}

// rate returns the share of hits.
func (l lookups) rate() float64 { return l.hits / l.all }

func (fx *fixture) lookups() (l lookups) {
	fx.t.Helper()
	for _, s := range fx.services {
		local, shared := counted(fx.t, s.metrics, "chorus_cache_hits_total", "l1"), counted(fx.t, s.metrics, "chorus_cache_hits_total", "l2")
		l.hits += local + shared
		l.all += local + counted(fx.t, s.metrics, "chorus_cache_misses_total", "l1")
	}
	return l
}

func counted(t testing.TB, g prometheus.Gatherer, name, layer string) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == "layer" && l.GetValue() == layer {
					total += m.GetCounter().GetValue()
				}
			}
		}
	}
	return total
}
