package planner_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// fill makes chats with a cast of four, bots that play in twenty chats each,
// some turns behind them, and so many messages. No chat is due.
//
// The rows are right by construction, so foreign keys are not checked.
func (s *stage) fill(chats, messages int) {
	s.t.Helper()
	tx, err := s.pool.Begin(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, sql := range []string{
		`SET LOCAL statement_timeout = 0`,
		`SET LOCAL session_replication_role = replica`,
		`INSERT INTO bots (name, token_sealed, username, hourly_max) SELECT 'bot-' || i, 'x', 'bot_' || i, 1200 FROM generate_series(1, %[1]d / 5) i`,
		`INSERT INTO personas (bot_id, display_name, summary, interests) SELECT id, 'Bot ' || id, 'Made for a benchmark.', '{books,films,maps,tea}' FROM bots`,
		`INSERT INTO stances (bot_id, topic, stance) SELECT id, t, 'It depends.' FROM bots, unnest('{books,films}'::text[]) t`,
		`INSERT INTO people (telegram_id, name) VALUES (1, 'Tom')`,
		`INSERT INTO chats (name, telegram_id, kind, enabled, topics, mean_gap)
			SELECT 'chat-' || i, -1000000000000 - i, 'supergroup', true, '{books,films,maps}', '7 days' FROM generate_series(1, %[1]d) i`,
		`INSERT INTO cast_members (chat_id, bot_id)
			SELECT c.id, (SELECT min(id) FROM bots) + (c.id * 4 + i) %% (%[1]d / 5) FROM chats c, generate_series(0, 3) i`,
		`INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at, outcome, closed_at, written_at)
			SELECT chat_id, n, min(bot_id), 'message', repeat('x', 300)::bytea, at, at, at + interval '1 minute', 'delivered', at, at
			FROM cast_members, generate_series(1, 3) n, LATERAL (SELECT now() - interval '2 hours' + n * interval '5 minutes' AS at) t GROUP BY chat_id, n, at`,
		`INSERT INTO chat_clock (chat_id, turn_no, next_turn_at) SELECT id, 3, now() + interval '1 hour' + id * interval '1 ms' FROM chats`,
		`INSERT INTO messages (chat_id, number, bot_id, person_id, body, sent_at)
			SELECT c.id, nextval('message_numbers'), CASE WHEN n %% 4 > 0 THEN m.bot_id END, CASE WHEN n %% 4 = 0 THEN 1 END,
				'I finished the last chapter on the train and nearly missed my stop, the ending is that good.', now() - n * interval '20 seconds'
			FROM chats c, LATERAL (SELECT min(bot_id) AS bot_id FROM cast_members WHERE chat_id = c.id) m, generate_series(1, %[2]d) n`,
	} {
		if _, err := tx.Exec(s.t.Context(), fmt.Sprintf(sql+`/* %[1]d %[2]d */`, chats, messages)); err != nil {
			s.t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := tx.Commit(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.exec(`VACUUM (ANALYZE)`)
	s.exec(`CHECKPOINT`)
}

const (
	perRound  = 1000 // turns
	fewChats  = 1000
	manyChats = 100_000
)

// round makes chats due all over the table, a thousand at once, and tells how
// long each of their turns takes until it is planned, and until it is published,
// too. Nothing of one round is left to the next.
func (s *stage) round(n int) (planned, published time.Duration) {
	s.t.Helper()
	before := one[int64](s, `SELECT sum(turn_no)::bigint FROM chat_clock`)
	s.exec(`
UPDATE chat_clock SET next_turn_at = now() WHERE chat_id IN (
    SELECT id FROM chats ORDER BY (id * 7919 + $1 * 104729) % 1000003 LIMIT $2)`, n, perRound)
	since, began := s.now(), time.Now()
	s.wake()
	s.idle()
	planned = time.Since(began)
	s.eventually("all turns are published", `SELECT NOT EXISTS (SELECT FROM turns WHERE planned_at >= $1 AND published_at IS NULL AND kind <> 'reaction')`, since)
	published = time.Since(began)
	if turns := one[int64](s, `SELECT sum(turn_no)::bigint FROM chat_clock`) - before; turns < perRound*99/100 {
		s.t.Fatalf("%d of %d due chats got a turn", turns, perRound)
	}
	return planned / perRound, published / perRound
}

// roomy is a database that keeps in memory what is in use, as one of that size
// would be set up.
func roomy(b *testing.B) *pgxpool.Pool {
	b.Helper()
	server := testenv.PostgresServer(b, map[string]string{"shared_buffers": "1GB"})
	cfg := store.DefaultConfig()
	cfg.URL = server.DSN("postgres")
	if err := migrations.Up(b.Context(), cfg.URL); err != nil {
		b.Fatal(err)
	}
	pool, err := store.Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool
}

// filled is a stage with a planner between a real database and a real bus.
func filled(b *testing.B, chats, messages int) *stage {
	b.Helper()
	s := &stage{t: b, pool: roomy(b)}
	s.fill(chats, messages)
	cfg := bus.DefaultConfig()
	cfg.URL = testenv.NATS(b)
	p, _ := s.plan(s.deps(given(b, "max_msgs_per_min", "60", "max_unwritten_turns", "100"), bustest.Open(b, cfg)))
	s.wake = p.Wake
	s.round(0) // prepares statements and warms caches
	s.round(1)
	return s
}

// BenchmarkEngine prints how many turns a second are planned where each chat has
// as many messages as are looked at, and what a turn costs among many chats
// compared to few. Rounds of few and of many chats follow each other closely, and
// are compared in pairs, because the machine is not always as fast; what counts
// is the median.
func BenchmarkEngine(b *testing.B) {
	const rounds = 31
	busy, few, many := filled(b, fewChats, 50), filled(b, fewChats, 3), filled(b, manyChats, 3)
	for b.Loop() {
		var planned, published, ratios []float64
		for n := range rounds {
			p, all := busy.round(n)
			planned, published = append(planned, p.Seconds()), append(published, all.Seconds())
			var ofFew, ofMany time.Duration
			if n%2 == 0 {
				_, ofFew = few.round(n)
				_, ofMany = many.round(n)
			} else {
				_, ofMany = many.round(n)
				_, ofFew = few.round(n)
			}
			ratios = append(ratios, float64(ofMany)/float64(ofFew))
		}
		b.Logf("planned and published: %.0f turns/s", 1/median(published))
		fmt.Printf("figure planner.turns_per_s %.0f turns/s\n", 1/median(planned))
		fmt.Printf("figure planner.cost_100k_vs_1k_ratio %.2f ratio\n", median(ratios))
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
