// Package journaltest fills a test database with bots, chats and turns.
package journaltest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// Open returns a pool on a new, migrated database that belongs to the test.
func Open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	cfg := store.DefaultConfig()
	cfg.URL = testenv.Postgres(t)
	pool, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Bot inserts a bot with a persona and returns its id. The bytes of its name stand for its
// sealed token.
func Bot(t testing.TB, pool *pgxpool.Pool, name string) int64 {
	t.Helper()
	var id int64
	err := pool.QueryRow(t.Context(), `
WITH b AS (INSERT INTO bots (name, token_sealed, username) VALUES ($1, $2, $3) RETURNING id)
INSERT INTO personas (bot_id, display_name, summary) SELECT id, $1, 'Somebody made for a test.' FROM b RETURNING bot_id`,
		name, []byte(name), name+"_bot").Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Chat inserts an enabled supergroup whose clock is due, and adds the bots to it.
func Chat(t testing.TB, pool *pgxpool.Pool, name string, bots ...int64) int64 {
	t.Helper()
	var id int64
	err := pool.QueryRow(t.Context(), `
WITH c AS (
    INSERT INTO chats (name, telegram_id, kind, enabled, topics, mean_gap)
    VALUES ($1, -1000000000000 - nextval('message_numbers'), 'supergroup', true, '{books,films}', '1 second') RETURNING id),
m AS (INSERT INTO cast_members (chat_id, bot_id) SELECT c.id, b FROM c, unnest($2::bigint[]) b)
INSERT INTO chat_clock (chat_id, next_turn_at) SELECT id, now() FROM c RETURNING chat_id`, name, bots).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// CountTurns sets the counts of recent turns from the turns table, for a test that inserts
// turns itself.
func CountTurns(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	const slots = `(SELECT array_agg((SELECT count(*)::int FROM turns t WHERE t.kind <> 'reaction' AND %s AND extract(epoch FROM t.planned_at)::bigint / %d = n.slot - i) ORDER BY i)
		FROM generate_series(0, %d) i)`
	for _, sql := range []string{
		`INSERT INTO turn_counts SELECT b.id, ` + fmt.Sprintf(slots, "t.bot_id = b.id", 60, 60) + `, n.slot FROM bots b, (SELECT extract(epoch FROM now())::bigint / 60 AS slot) n`,
		`INSERT INTO turn_counts SELECT 0, ` + fmt.Sprintf(slots, "true", 1, 60) + `, n.slot FROM (SELECT extract(epoch FROM now())::bigint AS slot) n`,
	} {
		if _, err := pool.Exec(t.Context(), sql+` ON CONFLICT (bot_id) DO UPDATE SET counts = EXCLUDED.counts, counted_in = EXCLUDED.counted_in`); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), `UPDATE chat_clock k SET counts = `+fmt.Sprintf(slots, "t.chat_id = k.chat_id", 5, 12)+`, counted_in = n.slot
FROM (SELECT extract(epoch FROM now())::bigint / 5 AS slot) n`); err != nil {
		t.Fatal(err)
	}
}

// Turn returns a turn that expires in a minute. It isn't stored.
func Turn(chat, number, bot int64) *chorusv1.Turn {
	now := time.Now()
	return &chorusv1.Turn{
		Id: &chorusv1.TurnId{ChatId: chat, Number: number}, BotId: bot, Kind: chorusv1.TurnKind_TURN_KIND_MESSAGE, Topic: "books",
		DueAt: timestamppb.New(now), PlannedAt: timestamppb.New(now), ExpiresAt: timestamppb.New(now.Add(time.Minute)), Seed: 1,
	}
}

// Message returns the delivery of a turn's text. It isn't stored.
func Message(t *chorusv1.Turn, text string) *chorusv1.Delivery {
	return &chorusv1.Delivery{
		Id: t.GetId(), BotId: t.GetBotId(), Action: chorusv1.Action_ACTION_SEND_MESSAGE, Text: text, TargetMessage: t.GetTargetMessage(),
		PlannedAt: t.GetPlannedAt(), ExpiresAt: t.GetExpiresAt(), CreatedAt: t.GetPlannedAt(),
	}
}

// Reaction returns the delivery of a turn's reaction. It isn't stored.
func Reaction(t *chorusv1.Turn, emoji string, fallback chorusv1.Fallback) *chorusv1.Delivery {
	d := Message(t, "")
	d.Action, d.Emoji, d.Fallback = chorusv1.Action_ACTION_SET_REACTION, emoji, fallback
	return d
}

// State returns a turn's rows in one line: "open", "open waiting", "delivered closed".
func State(ctx context.Context, pool *pgxpool.Pool, id *chorusv1.TurnId) (string, error) {
	var state string
	err := pool.QueryRow(ctx, `
SELECT trim(coalesce(t.outcome, 'open') || ' ' || coalesce(d.state, '') || CASE WHEN d.not_before IS NULL THEN '' ELSE ' parked' END)
FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no) WHERE t.chat_id = $1 AND t.turn_no = $2`,
		id.GetChatId(), id.GetNumber()).Scan(&state)
	if err != nil {
		return "", fmt.Errorf("look at turn %v: %w", id, err)
	}
	return state, nil
}
