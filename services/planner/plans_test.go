package planner

import (
	"testing"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// Arguments of the statement that writes a plan: one message, and no turn for the second
// chat.
const (
	planTypes = `(bigint[], bigint[], bigint[], text[], bigint[], text[], bytea[], text[], timestamptz[], timestamptz[], timestamptz[], bool[],
	bigint[], bigint[], smallint[], bigint[], text[], text[], bytea[], text[], timestamptz[], text[],
	bigint[], bigint[], timestamptz[], timestamptz[], bool[], bigint[], text[], timestamptz[], integer[], bool[], integer)`
	planned = `('{1}', '{1}', '{1}', '{message}', '{0}', '{""}', '{x}', '{""}', '{now}', '{now}', '{2100-01-01}', '{f}',
	'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
	'{1,2}', '{1,1}', '{2026-01-01,2026-01-01}', '{now,now}', '{t,f}', '{1,0}', '{"",""}', '{now,now}', '{4,4}', '{t,t}', 100)`
)

// TestPlanningReadsAsMuchAfterManyTurns makes PostgreSQL choose its plans without
// statistics, while the tables are empty, and keep them while turns, messages and counts
// pile up. So it is between the start of a new installation and the first autoanalyze.
func TestPlanningReadsAsMuchAfterManyTurns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, types, args string }{
		"due":    {claimDue, "(integer, integer, bigint[], bigint[], text)", "(4, 100, '{}', '{}', '')"},
		"known":  {claimDue, "(integer, integer, bigint[], bigint[], text)", "(4, 100, '{1,2}', '{40,40}', '1:1:')"},
		"lock":   {lockDue, "(integer)", "(100)"},
		"locked": {lookAtLocked, "(integer, bigint[], bigint[], bigint[], text)", "(4, '{1,2,3}', '{}', '{}', '')"},
		"chat":   {lookAtChat, "(integer, bigint, bigint[], bigint[], text)", "(4, 2, '{}', '{}', '')"},
		"answer": {answersTo, "(bigint, bigint)", "(2, 70)"},
		"count":  {countBots, "(bigint[], integer[], integer)", "('{1,2,3,4}', '{1,1,1,1}', 100)"},
		"plan":   {planTurns, planTypes, planned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := journaltest.Open(t)
			exec(t, pool, `ALTER TABLE turns SET (autovacuum_enabled = off)`)
			var bots []int64
			for _, bot := range []string{"anna", "ben", "clara", "dora"} {
				bots = append(bots, journaltest.Bot(t, pool, bot))
			}
			for _, chat := range []string{"here", "there", "elsewhere"} {
				journaltest.Chat(t, pool, chat, bots...)
			}
			exec(t, pool, `VACUUM ANALYZE cast_members, turn_counts`) // there is a roster, and its bots have said nothing
			conn, err := pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Release()
			if _, err := conn.Exec(t.Context(), "PREPARE planned "+c.types+" AS "+c.sql); err != nil {
				t.Fatal(err)
			}
			exec(t, pool, `UPDATE chat_clock SET next_turn_at = '2026-01-01'`)
			exec(t, pool, `UPDATE chats SET kind = 'group', telegram_id = -1 WHERE id = 2`)
			say := func(from, to int) {
				exec(t, pool, `INSERT INTO messages (chat_id, number, bot_id, body, sent_at) SELECT c, n, 1, 'Well.', now() FROM unnest('{1,2,3}'::bigint[]) c, generate_series($1::int, $2) n`, from, to)
				exec(t, pool, `INSERT INTO message_ids (chat_id, viewer, telegram_id, number) SELECT 2, v, n, n FROM unnest('{1,2}'::bigint[]) v, generate_series($1::int, $2) n`, from, to)
			}
			say(1, 50)
			journaltest.CountTurns(t, pool)
			execute := "EXECUTE planned" + c.args
			journaltest.Pages(t, conn, execute) // reads what each connection reads once
			before, _ := journaltest.Pages(t, conn, execute)
			exec(t, pool, `
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, payload, planned_at, due_at, expires_at, outcome, closed_at, written_at)
SELECT c, n, 1 + n % 4, CASE n % 2 WHEN 0 THEN 'message' ELSE 'reply' END, CASE n % 2 WHEN 1 THEN n END, repeat('x', 300)::bytea, at, at, at + interval '1 minute', 'delivered', at, at
FROM unnest('{1,2,3}'::bigint[]) c, generate_series(1, 3000) n, LATERAL (SELECT now() - n * interval '1 second' AS at) t`)
			say(51, 3000)
			// 3,000 more counters, before those of the casts.
			exec(t, pool, `INSERT INTO turn_counts SELECT -n, '{1}', 1 FROM generate_series(1, 3000) n`)
			journaltest.CountTurns(t, pool)
			// An index gets one or two levels deeper.
			if after, _ := journaltest.Pages(t, conn, execute); after > before+40 {
				t.Errorf("%d blocks are read after 9,000 turns, %d before", after, before)
			}
		})
	}
}
