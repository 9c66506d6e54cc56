package planner_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/planner"
)

// fill creates chats with a cast of four, some past turns, the given number of messages and
// the given mean gap. Each bot plays in twenty chats. No chat is due.
//
// Foreign keys are not checked, because the rows are right by construction.
func (s *stage) fill(chats, messages int, gap string) {
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
			SELECT 'chat-' || i, -1000000000000 - i, 'supergroup', true, '{books,films,maps}', '%[3]s' FROM generate_series(1, %[1]d) i`,
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
		if _, err := tx.Exec(s.t.Context(), fmt.Sprintf(sql+`/* %[1]d %[2]d %[3]s */`, chats, messages, gap)); err != nil {
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

// round makes a thousand chats due, spread over the table, and returns the time to plan one
// turn. Rounds don't affect each other.
func (s *stage) round(n int) time.Duration {
	s.t.Helper()
	before := one[int64](s, `SELECT sum(turn_no)::bigint FROM chat_clock`)
	// Open turns and reached limits would influence the decisions.
	s.exec(`UPDATE turn_counts SET counts = '{}'`)
	s.exec(`UPDATE turns SET outcome = 'expired', closed_at = now(), written_at = now() WHERE closed_at IS NULL`)
	s.exec(`
UPDATE chat_clock SET next_turn_at = now() WHERE chat_id IN (
    SELECT id FROM chats ORDER BY (id * 7919 + $1 * 104729) % 1000003 LIMIT $2)`, n, perRound)
	began := time.Now()
	s.wake()
	s.idle()
	planned := time.Since(began)
	turns := one[int64](s, `SELECT sum(turn_no)::bigint FROM chat_clock`) - before
	if turns < perRound*95/100 { // a few chats get no turn
		s.t.Fatalf("%d of %d due chats got a turn", turns, perRound)
	}
	return planned / time.Duration(turns)
}

const (
	insertSame = `
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, topic, payload, traceparent, planned_at, due_at, expires_at, written_at)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::bytea[], $8::text[],
    $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[])`
	moveSame = `
UPDATE chat_clock c SET turn_no = u.turn_no, next_turn_at = u.next FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS u(chat_id, turn_no, next)
WHERE c.chat_id = u.chat_id`
)

// insertOnly writes the turns of a round again, with the next numbers, and moves their
// clocks, in batches of the same size and number as the planner's. It does nothing else. It
// returns the time for one turn.
func (s *stage) insertOnly() time.Duration {
	s.t.Helper()
	type row struct {
		Chat, Turn, Bot       int64
		Kind                  string
		Target                *int64
		Topic                 string
		Payload               []byte
		Trace                 string
		Planned, Due, Expires time.Time
		Written               *time.Time
		Next                  time.Time
	}
	rows, err := s.pool.Query(s.t.Context(), `
SELECT t.chat_id, t.turn_no + 1, bot_id, kind, target_message, topic, payload, traceparent, planned_at, due_at, expires_at, written_at, next_turn_at
FROM chat_clock JOIN turns t USING (chat_id, turn_no) ORDER BY planned_at DESC, t.chat_id LIMIT $1`, perRound)
	if err != nil {
		s.t.Fatal(err)
	}
	turns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil || len(turns) != perRound {
		s.t.Fatal(len(turns), err)
	}
	var batches [][]any
	var moves [][]any
	for part := range slices.Chunk(turns, planner.DefaultConfig().Batch) {
		columns := make([]any, 12)
		var chats, numbers, bots []int64
		var kinds, topics, traces []string
		var targets []*int64
		var payloads [][]byte
		var planned, due, expires, next []time.Time
		var written []*time.Time
		for _, t := range part {
			chats, numbers, bots, targets = append(chats, t.Chat), append(numbers, t.Turn), append(bots, t.Bot), append(targets, t.Target)
			kinds, topics, traces, payloads = append(kinds, t.Kind), append(topics, t.Topic), append(traces, t.Trace), append(payloads, t.Payload)
			planned, due, expires, written = append(planned, t.Planned), append(due, t.Due), append(expires, t.Expires), append(written, t.Written)
			next = append(next, t.Next)
		}
		copy(columns, []any{chats, numbers, bots, kinds, targets, topics, payloads, traces, planned, due, expires, written})
		batches, moves = append(batches, columns), append(moves, []any{chats, numbers, next})
	}
	began := time.Now()
	var writers errgroup.Group
	writers.SetLimit(2)
	for i := range batches {
		writers.Go(func() error {
			return pgx.BeginFunc(s.t.Context(), s.pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(s.t.Context(), insertSame, batches[i]...); err != nil {
					return err
				}
				_, err := tx.Exec(s.t.Context(), moveSame, moves[i]...)
				return err
			})
		})
	}
	if err := writers.Wait(); err != nil {
		s.t.Fatal(err)
	}
	return time.Since(began) / perRound
}

// roomy opens a database whose working set fits into memory, like a production server of
// this size.
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

// cached returns the roster's cache like in a service.
func (s *stage) cached() *rostercache.Roster {
	s.t.Helper()
	log := testenv.Logger(s.t)
	c := cache.New(cache.DefaultConfig(), nil, nil, log)
	testenv.Background(s.t, c.Run)
	testenv.Background(s.t, listen.New(s.pool, log, cachepg.New(s.pool, c, log).Channel()).Run)
	s.until("changes are heard of", c.Connected)
	return rostercache.New(s.pool, c)
}

// filled returns a stage with a planner between a real database and a real bus.
func filled(b *testing.B, chats, messages int, gap string) *stage {
	b.Helper()
	s := &stage{t: b, pool: roomy(b)}
	s.fill(chats, messages, gap)
	cfg := bus.DefaultConfig()
	cfg.URL = testenv.NATS(b)
	deps := s.deps(given(b, "max_msgs_per_min", "60", "max_unwritten_turns", "100", "min_need", "0", "max_run", "10", "min_gap", `"40s"`), bustest.Open(b, cfg))
	deps.Roster = s.cached()
	p, _ := s.plan(deps)
	s.wake = p.Wake
	s.round(0) // prepares statements and warms caches
	s.round(1)
	return s
}

// BenchmarkEngine prints the turns planned per second for chats that have the maximum of
// messages and talk about twice a minute, the ratio to only inserting the same rows and
// moving the same clocks, and the cost of a turn among many quiet chats compared to few.
// Rounds of few and many chats alternate and are compared in pairs, because the machine's
// speed varies. The median counts.
func BenchmarkEngine(b *testing.B) {
	const rounds = 31
	busy, few, many := filled(b, fewChats, 50, "30 seconds"), filled(b, fewChats, 3, "7 days"), filled(b, manyChats, 3, "7 days")
	for b.Loop() {
		var planned, inserted, ratios []float64
		for n := range rounds {
			p := busy.round(n)
			planned, inserted = append(planned, p.Seconds()), append(inserted, float64(busy.insertOnly())/float64(p))
			var ofFew, ofMany time.Duration
			if n%2 == 0 {
				ofFew, ofMany = few.round(n), many.round(n)
			} else {
				ofMany, ofFew = many.round(n), few.round(n)
			}
			ratios = append(ratios, float64(ofMany)/float64(ofFew))
		}
		fmt.Printf("figure planner.turns_per_s %.0f turns/s\n", 1/median(planned))
		fmt.Printf("figure planner.vs_insert_ratio %.2f ratio\n", median(inserted))
		fmt.Printf("figure planner.cost_100k_vs_1k_ratio %.2f ratio\n", median(ratios))
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
