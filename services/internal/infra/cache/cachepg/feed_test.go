package cachepg_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

type bot int64

// replica caches the names of bots.
type replica struct {
	*cache.Cache

	names *cache.Kind[bot, string]
	stop  func()
}

// newReplica returns a cache that reads with one pool and receives changes with another.
func newReplica(t testing.TB, reads, hears *pgxpool.Pool, redisURL string) *replica {
	t.Helper()
	var client *redis.Client
	if redisURL != "" {
		var err error
		if client, err = redisdb.Open(redisdb.Config{URL: redisURL, Timeout: time.Second}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
	}
	r := &replica{Cache: cache.New(cache.DefaultConfig(), client, nil, zap.NewNop())}
	r.names = cache.NewKind(r.Cache, cache.Spec[bot, string]{
		Name: "bot.name", Version: 1, TTL: 10 * time.Minute,
		Load: func(ctx context.Context, ids []bot) (map[bot]string, error) {
			rows, err := reads.Query(ctx, `SELECT id, name FROM bots WHERE id = ANY($1)`, ids)
			if err != nil {
				return nil, err
			}
			found := map[bot]string{}
			var id bot
			var name string
			_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error { found[id] = name; return nil })
			return found, err
		},
	})
	stopCache := testenv.Background(t, r.Run)
	stopFeed := testenv.Background(t, listen.New(hears, zap.NewNop(), cachepg.New(hears, r.Cache, zap.NewNop()).Channel()).Run)
	r.stop = func() { stopFeed(); stopCache() }
	testenv.Eventually(t, "it hears of changes", func() (string, bool) { return "", r.Connected() })
	return r
}

func (r *replica) name(t testing.TB, id int64) string {
	t.Helper()
	name, _, err := r.names.Get(t.Context(), bot(id))
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func rename(t testing.TB, pool *pgxpool.Pool, id int64, name string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), `UPDATE bots SET name = $2 WHERE id = $1`, id, name); err != nil {
		t.Fatal(err)
	}
}

// Every replica sees every change, with Redis and without.
func TestEveryReplicaHears(t *testing.T) {
	t.Parallel()
	change(t, 20)
}

// BenchmarkChange prints the time until a change reaches the last replica.
func BenchmarkChange(b *testing.B) {
	for b.Loop() {
		took := change(b, 500)
		slices.Sort(took)
		p99 := took[len(took)*99/100]
		fmt.Printf("figure cache.change_seen_p99_ms %.1f ms\n", float64(p99.Microseconds())/1000)
	}
}

// change makes several changes, and returns the time until all replicas saw each.
func change(t testing.TB, times int) (took []time.Duration) {
	t.Helper()
	pool := journaltest.Open(t)
	url := testenv.Redis(t)
	id := journaltest.Bot(t, pool, "anna")
	replicas := []*replica{newReplica(t, pool, pool, url), newReplica(t, pool, pool, url), newReplica(t, pool, pool, "")}
	for i := range times {
		for _, r := range replicas {
			r.name(t, id)
		}
		name := fmt.Sprintf("anna-%d", i)
		rename(t, pool, id, name)
		began := time.Now()
		for _, r := range replicas {
			testenv.Eventually(t, "the change is seen", func() (string, bool) { got := r.name(t, id); return got, got == name })
		}
		took = append(took, time.Since(began))
	}
	return took
}

// A starting replica ignores values in Redis that changed while nobody listened.
func TestARestartFindsNothingOldInRedis(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	url := testenv.Redis(t)
	id := journaltest.Bot(t, pool, "anna")
	first := newReplica(t, pool, pool, url)
	first.name(t, id)
	first.stop()
	rename(t, pool, id, "bella")
	if got := newReplica(t, pool, pool, url).name(t, id); got != "bella" {
		t.Errorf("got %s, want bella", got)
	}
}

// A replica that loses its connection learns later of what it missed. Meanwhile it returns
// no value older than cache.Short.
func TestALostConnection(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*testenv.Link){"cut": (*testenv.Link).Cut, "frozen": (*testenv.Link).Freeze} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := testenv.Postgres(t)
			pool := open(t, dsn)
			link := testenv.Proxy(t, dsn)
			hears := open(t, link.URL())
			id := journaltest.Bot(t, pool, "anna")
			r := newReplica(t, pool, hears, testenv.Redis(t))
			r.name(t, id)
			fault(link)
			rename(t, pool, id, "bella")
			began := time.Now()
			testenv.Eventually(t, "the change is seen", func() (string, bool) { got := r.name(t, id); return got, got == "bella" })
			// Twice the time, for a busy machine.
			if took := time.Since(began); took > 2*cache.Short {
				t.Errorf("it took %v, want %v", took, cache.Short)
			}
			if r.Shared() {
				t.Error("Redis is believed")
			}
			rename(t, pool, id, "clara")
			link.Restore()
			testenv.Eventually(t, "it hears again", func() (string, bool) { return "", r.Connected() })
			// If the freeze was too short to be detected, the change arrives only now.
			testenv.Eventually(t, "what was missed is seen", func() (string, bool) { got := r.name(t, id); return got, got == "clara" })
		})
	}
}

func open(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	cfg := store.DefaultConfig()
	cfg.URL = dsn
	pool, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// A change that began before another one and commits after it isn't missed: neither ids nor
// times give the order of commits.
func TestChangesAreHeardInAnyOrder(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	slow, quick := journaltest.Bot(t, pool, "slow"), journaltest.Bot(t, pool, "quick")
	r := newReplica(t, pool, pool, "")
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `UPDATE bots SET name = 'slow-2' WHERE id = $1`, slow); err != nil {
		t.Fatal(err)
	}
	r.name(t, slow)
	rename(t, pool, quick, "quick-2")
	testenv.Eventually(t, "the quick one", func() (string, bool) { got := r.name(t, quick); return got, got == "quick-2" })
	if got := r.name(t, slow); got != "slow" {
		t.Errorf("got %s before the commit", got)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "the slow one", func() (string, bool) { got := r.name(t, slow); return got, got == "slow-2" })
}

// Every statement that changes cached data is announced, and no other.
func TestWhatIsAnnounced(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "books", bot)
	b, c := fmt.Sprint(bot), fmt.Sprint(chat)
	for _, step := range []struct {
		sql  string
		want []string
	}{
		{`UPDATE bots SET stopped_at = now(), stopped_why = 'x' WHERE id = ` + b, []string{"bot:" + b}},
		{`UPDATE bots SET enabled = true WHERE id = ` + b, nil}, // it is true already
		{`UPDATE personas SET tone = 'dry' WHERE bot_id = ` + b, []string{"bot.persona:" + b}},
		{`INSERT INTO stances (bot_id, topic, stance) VALUES (` + b + `, 'tea', 'Yes.')`, []string{"bot.stances:" + b}},
		{`UPDATE stances SET cooldown_until = now() WHERE bot_id = ` + b, []string{"bot.stances:" + b}},
		{`DELETE FROM stances WHERE bot_id = ` + b, []string{"bot.stances:" + b}},
		{`INSERT INTO holdings (bot_id, item) VALUES (` + b + `, 'a boat')`, []string{"bot.holdings:" + b}},
		{`INSERT INTO memories (bot_id, kind, content) VALUES (` + b + `, 'fact', 'It rained.')`, []string{"bot.memories:" + b}},
		{`UPDATE memories SET uses = uses + 1, last_used_at = now()`, nil},
		{`UPDATE memories SET relevance = 0.9`, []string{"bot.memories:" + b}},
		{`UPDATE chats SET allowed_reactions = '{}' WHERE id = ` + c, []string{"chat.profile:" + c}},
		{`UPDATE bots SET next_try_at = now(), tries = 3`, nil},
		{`UPDATE chats SET remember_at = now(), reactions_next_at = now(), reactions_tries = 3`, nil},
		{`UPDATE cast_members SET refreshed_at = now()`, nil},
		{`UPDATE cast_members SET suspended_at = now(), suspended_why = 'x'`, []string{"chat.cast:" + c}},
		{`UPDATE chat_clock SET next_turn_at = now()`, nil},
		{`DELETE FROM cast_members`, []string{"chat.cast:" + c}},
		{`TRUNCATE holdings`, []string{"*"}},
	} {
		var before int64
		if err := pool.QueryRow(t.Context(), `SELECT coalesce(max(id), 0) FROM cache_changes`).Scan(&before); err != nil {
			t.Fatal(err)
		}
		if _, err := pool.Exec(t.Context(), step.sql); err != nil {
			t.Fatal(err)
		}
		rows, err := pool.Query(t.Context(), `SELECT tag FROM cache_changes WHERE id > $1 ORDER BY id`, before)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, got); diff != "" && len(step.want)+len(got) > 0 {
			t.Errorf("%s: %s", step.sql, diff)
		}
	}
}

// The function passed to Tell is called at the first look and for each change of its kinds.
func TestTell(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	told := make(chan struct{}, 100)
	c := cache.New(cache.DefaultConfig(), nil, nil, zap.NewNop())
	t.Cleanup(c.Close)
	feed := cachepg.New(pool, c, zap.NewNop()).Tell(func() { told <- struct{}{} }, "bot", "chat.cast")
	look := feed.Channel().Look
	for _, step := range []struct {
		sql  string
		want int
	}{
		{`SELECT 1`, 1}, // the first look
		{`SELECT 1`, 0},
		{fmt.Sprintf(`UPDATE bots SET stopped_at = now(), stopped_why = 'x' WHERE id = %d`, bot), 1},
		{`UPDATE personas SET tone = 'dry'`, 0},
		{`INSERT INTO chats (name, telegram_id, kind) VALUES ('club', -1, 'group')`, 0}, // chat.profile
		{`INSERT INTO cast_members (chat_id, bot_id) SELECT c.id, b.id FROM chats c, bots b`, 1},
		{`TRUNCATE holdings`, 1}, // everything may have changed
	} {
		if _, err := pool.Exec(t.Context(), step.sql); err != nil {
			t.Fatal(err)
		}
		if err := look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(told) != step.want {
			t.Errorf("%s: told %d times, want %d", step.sql, len(told), step.want)
		}
		for range len(told) {
			<-told
		}
	}
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	id := journaltest.Bot(t, pool, "anna")
	r := newReplica(t, pool, pool, "")
	r.name(t, id)
	// An unannounced change, because somebody disabled the trigger.
	if _, err := pool.Exec(t.Context(), `ALTER TABLE bots DISABLE TRIGGER USER`); err != nil {
		t.Fatal(err)
	}
	rename(t, pool, id, "bella")
	if err := cachepg.Announce(t.Context(), pool, cache.Tag{Kind: "bot.name", ID: id}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "the change is seen", func() (string, bool) { got := r.name(t, id); return got, got == "bella" })
	if err := cachepg.Announce(t.Context(), pool, cache.Tag{Kind: "Nonsense"}); err == nil {
		t.Error("a tag that makes no sense is announced")
	}
}
