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

// theatre is planner, generator and sender in this process, each with a pool and
// a cache of its own as in a process of its own, on real servers and the casts of
// the examples. They talk as fast as they can.
type theatre struct {
	t        testing.TB
	pool     *pgxpool.Pool // the test's own
	redis    *testenv.Cache
	telegram *emulator.Emulator
	keyring  secret.Keyring
	services map[string]*service
	stops    []func()
	version  int // of what is changed again and again
}

// service is one of the three.
type service struct {
	pool    *pgxpool.Pool
	asked   *statements
	cache   *cache.Cache // nil to read everything anew
	roster  *rostercache.Roster
	metrics *prometheus.Registry
}

func newTheatre(t testing.TB, cached bool) *theatre {
	t.Helper()
	key, err := secret.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	th := &theatre{t: t, pool: journaltest.Open(t), redis: testenv.RedisServer(t), services: map[string]*service{}}
	if th.keyring, err = secret.ParseKeys(key.Reveal()); err != nil {
		t.Fatal(err)
	}
	th.telegram = emulatortest.Start(t, func(c *emulator.Config) { c.Unlimited = true })
	for _, name := range []string{"book-club", "market-talk", "role-playing-table"} {
		th.apply(name)
	}
	th.exec(`UPDATE chats SET enabled = true, mean_gap = '1 second'`)
	th.exec(`UPDATE bots SET active_hours = '{}', hourly_min = 0, hourly_max = 1200, tempo = 10`)
	// So fast that turns come soon, and so slow that a play does not come to the
	// most that a chat may say in a minute.
	th.exec(`INSERT INTO settings (key, value) VALUES ('max_msgs_per_min', '60'), ('min_gap', '"50ms"'), ('scale_factor', '0.3')`)
	for _, name := range []string{"planner", "generator", "sender"} {
		th.services[name] = th.service(name, cached)
	}
	th.start()
	return th
}

func (th *theatre) exec(sql string, args ...any) {
	th.t.Helper()
	if _, err := th.pool.Exec(th.t.Context(), sql, args...); err != nil {
		th.t.Fatalf("%s: %v", sql, err)
	}
}

func (th *theatre) number(sql string, args ...any) float64 {
	th.t.Helper()
	var n float64
	if err := th.pool.QueryRow(th.t.Context(), sql, args...).Scan(&n); err != nil {
		th.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// apply applies one of the example casts.
func (th *theatre) apply(name string) {
	th.t.Helper()
	opts := casting.Options{
		Token: func(_ context.Context, b roster.Bot) (secret.String, error) {
			token, _, err := th.telegram.World().EnsureBot(b.Name+"_bot", b.Persona.DisplayName)
			return secret.New(token), err
		},
		Chat: func(_ context.Context, c roster.Chat, cast []roster.Bot) (int64, error) {
			members := make([]string, 0, len(cast))
			for _, b := range cast {
				members = append(members, b.Name+"_bot")
			}
			return th.telegram.World().EnsureChat(world.NewChat{Chat: world.Chat{Title: c.Name, Kind: world.Supergroup}, Members: members})
		},
	}
	file := filepath.Join("..", "..", "..", "deploy", "examples", name+".yaml")
	if err := casting.Apply(th.t.Context(), th.pool, th.keyring, file, opts, io.Discard); err != nil {
		th.t.Fatal(err)
	}
}

func (th *theatre) service(name string, cached bool) *service {
	th.t.Helper()
	s := &service{asked: newStatements(), metrics: prometheus.NewRegistry()}
	cfg := th.pool.Config().Copy()
	cfg.ConnConfig.Tracer = s.asked
	var err error
	if s.pool, err = pgxpool.NewWithConfig(th.t.Context(), cfg); err != nil {
		th.t.Fatal(err)
	}
	th.t.Cleanup(s.pool.Close)
	channels := []listen.Channel{}
	if cached {
		client, err := redisdb.Open(redisdb.Config{URL: th.redis.URL(), Timeout: cache.DefaultConfig().Timeout})
		if err != nil {
			th.t.Fatal(err)
		}
		th.t.Cleanup(func() { _ = client.Close() })
		s.cache = cache.New(cache.DefaultConfig(), client, cache.NewMetrics(s.metrics), testenv.Logger(th.t).Named(name))
		testenv.Background(th.t, s.cache.Run)
		// By the test's pool, so that only what turns need is counted.
		channels = append(channels, cachepg.New(th.pool, s.cache, zap.NewNop()).Channel())
		testenv.Background(th.t, listen.New(th.pool, zap.NewNop(), channels...).Run)
		testenv.Eventually(th.t, name+" hears of changes", func() (string, bool) { return "", s.cache.Connected() })
	}
	s.roster = rostercache.New(s.pool, s.cache)
	return s
}

// start starts the services, in the order in which the turns go.
func (th *theatre) start() {
	th.t.Helper()
	busCfg := bus.DefaultConfig()
	busCfg.URL = testenv.NATS(th.t)
	b := bustest.Open(th.t, busCfg)
	watch, err := settingspg.Open(th.t.Context(), th.pool, zap.NewNop())
	if err != nil {
		th.t.Fatal(err)
	}
	texts, err := offline.New()
	if err != nil {
		th.t.Fatal(err)
	}
	calls := telegram.DefaultConfig()
	calls.URL = th.telegram.URL()
	client, err := telegram.New(calls, zap.NewNop())
	if err != nil {
		th.t.Fatal(err)
	}
	th.t.Cleanup(client.Close)

	s := th.services["sender"]
	sending := sender.DefaultConfig()
	sending.Typing = false
	sending.Group = sender.ChatLimits{PerSecond: 1000, PerMinute: 60000}
	sending.Supergroup = sending.Group
	snd, err := sender.New(sending, sender.Deps{
		Pool: s.pool, Bus: b, Telegram: client, Roster: s.roster, Open: rosterpg.Tokens{Keyring: th.keyring}.Open, Log: testenv.Logger(th.t),
	}, nil)
	if err != nil {
		th.t.Fatal(err)
	}
	s = th.services["generator"]
	book := usage.NewBook(s.pool, zap.NewNop())
	chained := chain.New([]chain.Link{{Name: "offline", Provider: texts, Limits: chain.DefaultLimits()}}, chain.Deps{Ledger: book, Log: zap.NewNop()})
	gen, err := generator.New(generator.DefaultConfig(), generator.Deps{Pool: s.pool, Bus: b, Roster: s.roster, Texts: chained, Log: testenv.Logger(th.t)}, nil)
	if err != nil {
		th.t.Fatal(err)
	}
	s = th.services["planner"]
	pl := planner.New(planner.DefaultConfig(), planner.Deps{
		Pool: s.pool, Bus: b, Settings: watch, Roster: s.roster, Tracer: noop.NewTracerProvider().Tracer(""), Log: zap.NewNop(),
	})
	generating := func(ctx context.Context) error { return book.Around(ctx, gen.Run) }
	for _, run := range []func(context.Context) error{snd.Run, generating, pl.Run} {
		th.stops = append(th.stops, testenv.Background(th.t, run))
	}
}

// stop stops the services, the planner first, so that every turn comes to its end.
func (th *theatre) stop() {
	th.t.Helper()
	th.stops[2]()
	testenv.Eventually(th.t, "every turn has ended", func() (string, bool) {
		open := th.number(`SELECT count(*) FROM turns WHERE outcome IS NULL`)
		return fmt.Sprint(open), open == 0
	})
	th.stops[1]()
	th.stops[0]()
}

const (
	turnsDelivered = `SELECT count(*) FROM turns WHERE outcome IN ('delivered', 'fell_back')`

	// What the guard objects to is not failed: in a play of many turns a minute the
	// texts without a model begin to resemble each other.
	failures    = ` FROM receipts WHERE outcome NOT IN ('delivered', 'fell_back') AND reason NOT LIKE 'the guard objects: %'`
	turnsFailed = `SELECT (SELECT count(*)` + failures + `) + (SELECT count(*) FROM dead_letters)`
)

// whyFailed is why turns were not delivered, and how often; "" if all were.
func (th *theatre) whyFailed() string {
	th.t.Helper()
	const why = `
SELECT coalesce(string_agg(n || ' x ' || reason, '; '), '') FROM (
    SELECT outcome || ': ' || reason AS reason, count(*) AS n` + failures + ` GROUP BY 1
    UNION ALL SELECT 'dead: ' || reason, count(*) FROM dead_letters GROUP BY 1) r`
	var text string
	if err := th.pool.QueryRow(th.t.Context(), why).Scan(&text); err != nil {
		th.t.Fatal(err)
	}
	return text
}

// play lets turns be delivered.
func (th *theatre) play(turns float64) {
	th.t.Helper()
	end := th.number(turnsDelivered) + turns
	testenv.Eventually(th.t, fmt.Sprint(turns, " turns are delivered"), func() (string, bool) {
		n := th.number(turnsDelivered)
		return fmt.Sprint(n), n >= end
	})
}

// asked is how often each statement was asked since the last call, by service.
func (th *theatre) asked() map[string]map[string]int {
	all := map[string]map[string]int{}
	for name, s := range th.services {
		all[name] = s.asked.take()
	}
	return all
}

// lookups are those of the cache, and how many of them needed no source.
type lookups struct{ all, hits float64 }

func (l lookups) since(before lookups) lookups {
	return lookups{l.all - before.all, l.hits - before.hits}
}

// rate is the share of hits.
func (l lookups) rate() float64 { return l.hits / l.all }

func (th *theatre) lookups() (l lookups) {
	th.t.Helper()
	for _, s := range th.services {
		local, shared := counted(th.t, s.metrics, "chorus_cache_hits_total", "l1"), counted(th.t, s.metrics, "chorus_cache_hits_total", "l2")
		l.hits += local + shared
		l.all += local + counted(th.t, s.metrics, "chorus_cache_misses_total", "l1")
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
