package e2e_test

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// database opens the private database of a running chorus up.
func database(t *testing.T, dir string) *pgxpool.Pool {
	t.Helper()
	address := url.URL{Scheme: "postgres", User: url.User("chorus"), Path: "/chorus", RawQuery: url.Values{
		"host": {filepath.Join(dir, "postgres", "cluster")}, "port": {"5432"}, "sslmode": {"disable"},
	}.Encode()}
	pool, err := pgxpool.New(t.Context(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// one reads a single value.
func one[T any](t testing.TB, pool *pgxpool.Pool, query string, args ...any) T {
	t.Helper()
	var v T
	if err := pool.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// lastTurn is the highest number of a turn in any chat.
func lastTurn(t *testing.T, dir string) int64 {
	t.Helper()
	return one[int64](t, database(t, dir), `SELECT coalesce(max(turn_no), 0) FROM turns`)
}

// turn is a turn of the journal, in the emulator's terms.
type turn struct {
	Chat    int64 // Telegram's id
	Number  int64
	Bot     string // username
	Kind    string
	Outcome string // empty while it is open
	// Sent is the id of the message that was sent for it, as its bot knows it; 0
	// for none.
	Sent int64
	// Target is the id of the message that it answers or reacts to; 0 for none.
	Target int64
	// Delivery is nil before there is one.
	Delivery *chorusv1.Delivery
}

// allTurns has a row for each turn. In a basic group a message's id is that
// which the turn's bot has for it.
const allTurns = `
SELECT c.telegram_id, t.turn_no, b.username, t.kind, coalesce(t.outcome, ''), coalesce(said.telegram_id, 0), coalesce(target.telegram_id, 0), d.payload
FROM turns t JOIN chats c ON c.id = t.chat_id JOIN bots b ON b.id = t.bot_id
LEFT JOIN deliveries d USING (chat_id, turn_no)
LEFT JOIN messages m ON m.chat_id = t.chat_id AND m.turn_no = t.turn_no
LEFT JOIN message_ids said ON said.chat_id = m.chat_id AND said.number = m.number AND said.viewer IN (0, t.bot_id)
LEFT JOIN message_ids target ON target.chat_id = t.chat_id AND target.number = t.target_message AND target.viewer IN (0, t.bot_id)
ORDER BY t.chat_id, t.turn_no`

func turnsOf(t *testing.T, pool *pgxpool.Pool) []turn {
	t.Helper()
	rows, err := pool.Query(t.Context(), allTurns)
	if err != nil {
		t.Fatal(err)
	}
	turns, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (turn, error) {
		var v turn
		var payload []byte
		if err := row.Scan(&v.Chat, &v.Number, &v.Bot, &v.Kind, &v.Outcome, &v.Sent, &v.Target, &payload); err != nil || payload == nil {
			return v, err
		}
		v.Delivery = &chorusv1.Delivery{}
		return v, proto.Unmarshal(payload, v.Delivery)
	})
	if err != nil {
		t.Fatal(err)
	}
	return turns
}

// clocks is the number of the last turn of each chat, by Telegram's id.
func clocks(t *testing.T, pool *pgxpool.Pool) map[int64]int64 {
	t.Helper()
	last := map[int64]int64{}
	rows, err := pool.Query(t.Context(), `SELECT c.telegram_id, k.turn_no FROM chat_clock k JOIN chats c ON c.id = k.chat_id`)
	if err != nil {
		t.Fatal(err)
	}
	var chat, number int64
	if _, err := pgx.ForEachRow(rows, []any{&chat, &number}, func() error {
		last[chat] = number
		return context.Cause(t.Context())
	}); err != nil {
		t.Fatal(err)
	}
	return last
}
