package planner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/planner"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// patience limits every wait of a test. Only a broken planner takes so long.
const patience = 30 * time.Second

// stage is a database with a few bots, and planners that use it.
type stage struct {
	t    testing.TB
	pool *pgxpool.Pool
	bots []int64
	wake func() // wakes the measured planner
}

func newStage(t *testing.T, bots ...string) *stage {
	t.Helper()
	t.Parallel()
	return newSerialStage(t, bots...)
}

// newSerialStage is for tests with several stages, and for benchmarks.
func newSerialStage(t testing.TB, bots ...string) *stage {
	t.Helper()
	s := &stage{t: t, pool: journaltest.Open(t)}
	for _, name := range bots {
		s.bots = append(s.bots, journaltest.Bot(t, s.pool, name))
	}
	return s
}

// chat creates a chat with all bots that is due.
func (s *stage) chat(name string) int64 {
	s.t.Helper()
	return journaltest.Chat(s.t, s.pool, name, s.bots...)
}

func (s *stage) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// one returns the first column of a query's only row.
func one[T any](s *stage, sql string, args ...any) (v T) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), sql, args...).Scan(&v); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func (s *stage) set(key string, scope settings.Scope, id int64, value string) {
	s.t.Helper()
	if err := settingspg.Set(s.t.Context(), s.pool, key, scope, id, json.RawMessage(value)); err != nil {
		s.t.Fatal(err)
	}
}

// fixed holds settings that never change.
type fixed struct{ values *settings.Values }

func (f fixed) Current() *settings.Values { return f.values }

// given returns global settings: "key", "value" and so on.
func given(t testing.TB, pairs ...string) fixed {
	t.Helper()
	var stored []settings.Stored
	for i := 0; i < len(pairs); i += 2 {
		stored = append(stored, settings.Stored{Key: pairs[i], Scope: settings.Global, Value: json.RawMessage(pairs[i+1])})
	}
	values, problems := settings.NewValues(stored)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return fixed{values}
}

// deps returns the dependencies of a planner. Without a bus it doesn't ring.
func (s *stage) deps(values planner.Settings, b *bus.Bus) planner.Deps {
	s.t.Helper()
	reading, err := pgxpool.NewWithConfig(s.t.Context(), s.pool.Config())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(reading.Close)
	return planner.Deps{
		Pool: s.pool, Bus: b, Settings: values, Roster: rostercache.New(reading, nil), Tracer: noop.NewTracerProvider().Tracer(""), Log: testenv.Logger(s.t),
	}
}

// plan runs a planner until the test or stop ends it.
func (s *stage) plan(deps planner.Deps, change ...func(*planner.Config)) (p *planner.Planner, stop func()) {
	s.t.Helper()
	cfg := planner.DefaultConfig()
	cfg.Idle = time.Second // tests move clocks by hand
	for _, c := range change {
		c(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		s.t.Fatal(err)
	}
	p = planner.New(cfg, deps)
	return p, testenv.Background(s.t, p.Run)
}

// eventually waits until a query returns true.
func (s *stage) eventually(what, sql string, args ...any) {
	s.t.Helper()
	s.until(what, func() bool { return one[bool](s, sql, args...) })
}

func (s *stage) until(what string, is func() bool) {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("never: %s; clocks %s", what, one[string](s, `SELECT coalesce(json_agg(k)::text, '') FROM (SELECT * FROM chat_clock ORDER BY next_turn_at LIMIT 5) k`))
		}
	}
}

// idle waits until no chat is due.
func (s *stage) idle() {
	s.t.Helper()
	s.eventually("no chat is due", `SELECT NOT EXISTS (SELECT FROM chat_clock WHERE next_turn_at <= now())`)
}

// says adds a message; bot 0 is a person.
func (s *stage) says(chat, bot int64, text string, ago time.Duration) int64 {
	s.t.Helper()
	s.exec(`INSERT INTO people (telegram_id, name) VALUES (1, 'Tom') ON CONFLICT DO NOTHING`)
	return one[int64](s, `
INSERT INTO messages (chat_id, bot_id, person_id, body, sent_at)
VALUES ($1, nullif($2, 0), CASE WHEN $2 = 0 THEN 1 END, $3, now() - $4::interval) RETURNING number`, chat, bot, text, ago)
}

// turns writes turns of a bot, with the next numbers, and moves the clock.
func (s *stage) turns(chat, bot int64, n int, kind string, ago time.Duration, open bool) {
	s.t.Helper()
	s.exec(`
WITH k AS (UPDATE chat_clock SET turn_no = turn_no + $3 WHERE chat_id = $1 RETURNING turn_no - $3 AS before)
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, payload, planned_at, due_at, expires_at, outcome, closed_at, written_at)
SELECT $1, before + i, $2, $4, CASE WHEN $4 <> 'message' THEN 1 END, '', now() - $5::interval, now() - $5::interval, now() + interval '1 hour',
    CASE WHEN $6 THEN NULL ELSE 'delivered' END, CASE WHEN $6 THEN NULL ELSE now() END, CASE WHEN $6 THEN NULL ELSE now() END
FROM k, generate_series(1, $3::bigint) i`, chat, bot, n, kind, ago, open)
	journaltest.CountTurns(s.t, s.pool)
}

func chats(s *stage, n int) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = s.chat(fmt.Sprintf("chat-%d", i))
	}
	return ids
}

// quickly makes a planner look for expired turns often.
func quickly(cfg *planner.Config) { cfg.Sweep, cfg.Grace = 100*time.Millisecond, time.Second }
