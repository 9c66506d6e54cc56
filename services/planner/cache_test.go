package planner

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/planner/decide"
)

// looks returns the inputs of decisions by a read with the cache and by one without it, at
// one instant, and both decisions.
func looks(t *testing.T, k *chatCache, pool *pgxpool.Pool, now time.Time) (adding, first []decide.Input, decided [2][]decide.Decision) {
	t.Helper()
	const few = 2 // unwritten texts
	err := pgx.BeginTxFunc(t.Context(), pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		for i, before := range []view{k.due(now, 100), {}} {
			rows, err := look(t.Context(), tx, lookInOrder, before, few, 100)
			if err != nil {
				return err
			}
			all, err := inputs(t.Context(), rostercache.New(pool, nil), nil, rows)
			if err != nil {
				return err
			}
			for _, in := range all {
				decided[i] = append(decided[i], decide.Decide(in))
			}
			if first = all; i > 0 {
				continue
			}
			adding = all
			var done plan
			for _, r := range rows {
				done.next = append(done.next, r.Now)
			}
			k.keep(before, rows, &done)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return adding, first, decided
}

// rosterChanges changes a chat, or a bot in it.
var rosterChanges = []string{
	`UPDATE chats SET enabled = NOT enabled WHERE id = $1 AND $2 > 0`,
	`UPDATE chats SET topics = topics || 'tea'::text, time_zone = 'Europe/Vienna', updated_at = now() WHERE id = $1 AND $2 > 0`,
	`DELETE FROM cast_members WHERE chat_id = $1 AND bot_id = $2`,
	`INSERT INTO cast_members (chat_id, bot_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
	`UPDATE cast_members SET suspended_at = now(), suspended_why = 'kicked', tries = 1 WHERE chat_id = $1 AND bot_id = $2`,
	`UPDATE cast_members SET suspended_at = NULL, suspended_why = NULL WHERE chat_id = $1 AND bot_id = $2`,
	`UPDATE cast_members SET tries = 0 WHERE chat_id = $1 AND bot_id = $2`,
	`INSERT INTO pauses (chat_id, bot_id, by, until) VALUES ($1 * (random() < 0.7)::int, $2 * (random() < 0.7)::int, 'Kim', now() + interval '1 second') ON CONFLICT DO NOTHING`,
	`DELETE FROM pauses WHERE $1 > 0 AND bot_id IN ($2, 0)`,
	`INSERT INTO scenes (chat_id, body, by, begins_at, ends_at) SELECT $1, 'It snows.', 'Kim', now() + interval '50 ms', now() + interval '1 s' WHERE $2 > 0 ON CONFLICT DO NOTHING`,
	`DELETE FROM scenes WHERE chat_id = $1 AND $2 > 0`,
}

const lookInOrder = claimDue + ` ORDER BY k.chat_id`

// A decision with the cache equals one without it, even if another planner has planned in
// the chat, or messages were written late, edited or erased just now. Edits and erasures of
// older messages are seen after cacheTTL.
func TestWhatIsKnownOfAChatIsAddedTo(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bots := []int64{journaltest.Bot(t, pool, "anna"), journaltest.Bot(t, pool, "ben"), journaltest.Bot(t, pool, "clara")}
	var chats []int64
	for _, name := range []string{"one", "two", "basic"} {
		chats = append(chats, journaltest.Chat(t, pool, name, bots...))
	}
	exec(t, pool, `UPDATE chats SET kind = 'group', telegram_id = -1 WHERE name = 'basic'`)
	exec(t, pool, `INSERT INTO people (telegram_id, name) VALUES (1, 'Tom')`)
	random := rand.New(rand.NewPCG(1, 2))
	planners := []*chatCache{{}, {}}
	same := func(k *chatCache, now time.Time) {
		t.Helper()
		adding, first, decided := looks(t, k, pool, now)
		if diff := cmp.Diff(first, adding, cmp.Exporter(func(reflect.Type) bool { return true }), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("-a first look +one that adds:\n%s", diff)
		}
		if diff := cmp.Diff(decided[1], decided[0]); diff != "" {
			t.Fatalf("-a first look +one that adds:\n%s", diff)
		}
	}
	added := 0
	for n := range 400 {
		chat := chats[random.IntN(3)]
		switch random.IntN(12) {
		default:
			exec(t, pool, `SELECT setval('message_numbers', nextval('message_numbers') + $1)`, random.IntN(100))
			exec(t, pool, `
INSERT INTO messages (chat_id, number, person_id, bot_id, body, sent_at, talk)
VALUES ($1, nextval('message_numbers') - $2::int * 300, CASE WHEN $3 = 0 THEN 1 END, nullif($3, 0), 'line ' || $4::int, now() - $5::interval, $4::int % 9 > 0)`,
				chat, random.IntN(4)/3, append(bots, 0)[random.IntN(4)], n, time.Duration(random.IntN(20))*time.Second)
		case 0:
			exec(t, pool, `INSERT INTO message_ids (chat_id, viewer, telegram_id, number) SELECT $1, $2, number, number FROM messages WHERE chat_id = $1 ORDER BY number DESC LIMIT 3
ON CONFLICT DO NOTHING`, chats[2], bots[random.IntN(3)])
		case 1:
			exec(t, pool, insertTurn, chat, n, bots[0], "message", time.Second, true)
		case 2:
			exec(t, pool, `UPDATE turns SET outcome = 'delivered', closed_at = now(), written_at = now() WHERE chat_id = $1 AND closed_at IS NULL`, chat)
		case 3:
			exec(t, pool, `UPDATE messages SET body = body || '?', talk = NOT talk WHERE chat_id = $1 AND number > (SELECT last_value - 900 FROM message_numbers) AND number % 3 = 0`, chat)
		case 4:
			exec(t, pool, `DELETE FROM messages WHERE chat_id = $1 AND number > (SELECT last_value - 900 FROM message_numbers) AND number % 7 = 0`, chat)
		case 5:
			exec(t, pool, rosterChanges[random.IntN(len(rosterChanges))], chat, bots[random.IntN(3)])
		}
		k := planners[random.IntN(2)]
		added += len(k.due(time.Now(), 100).of)
		same(k, time.Now())
	}
	if added < 200 {
		t.Errorf("only %d looks had something to add to", added)
	}
	exec(t, pool, `UPDATE messages SET body = 'edited' WHERE number % 2 = 0`)
	exec(t, pool, `DELETE FROM messages WHERE number % 3 = 0`)
	for _, k := range planners {
		same(k, time.Now().Add(cacheTTL))
	}
}

// Chats that another process took are removed, so that others get their place.
func TestWhatOthersTookIsForgotten(t *testing.T) {
	t.Parallel()
	now := time.Now()
	k := &chatCache{of: map[int64]*cachedChat{}}
	for id := range int64(6) {
		k.of[id] = &cachedChat{read: now.Add(-time.Second), due: now.Add(time.Duration(id-4) * time.Millisecond)}
	}
	before := k.due(now, 3)
	if len(before.of) != 3 || before.of[0] == nil || before.of[2] == nil {
		t.Fatalf("due are %v", before.of)
	}
	k.keep(before, []*row{{ID: 1, Due: before.of[1].due, cached: *before.of[1]}}, &plan{next: []time.Time{now.Add(time.Second)}})
	if len(k.of) != 5 || k.of[0] != nil || k.of[1].due != now.Add(time.Second) {
		t.Errorf("kept are %v", k.of)
	}
	if left := k.due(now.Add(cacheTTL), 100); len(left.of) > 0 || len(k.of) > 0 {
		t.Errorf("%d are kept for ever", len(k.of))
	}
}
