package store_test

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// many inserts 64 chats with 500 messages each.
const many = `
INSERT INTO people (telegram_id, name) VALUES (7, 'Tom');
INSERT INTO chats (name, telegram_id, kind) SELECT 'chat-' || n, -1000000000000 - n, 'supergroup' FROM generate_series(1, 64) n;
INSERT INTO messages (chat_id, number, person_id, telegram_id, body, sent_at)
    SELECT c, c * 1000 + n, 7, n, 'Hello', now() - n * interval '1 minute' FROM generate_series(1, 64) c, generate_series(1, 500) n;
ANALYZE`

// step is a node of a plan from EXPLAIN (ANALYZE, FORMAT JSON).
type step struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Loops    int    `json:"Actual Loops"`
	Plans    []step `json:"Plans"`
}

// read returns how the plan reads messages.
func (s step) read() (how []string) {
	if s.Loops > 0 && s.Relation == "messages" {
		how = append(how, s.Type)
	}
	for _, p := range s.Plans {
		how = append(how, p.read()...)
	}
	return how
}

func explain(t *testing.T, conn *pgx.Conn, sql string) step {
	t.Helper()
	var text []byte
	if err := conn.QueryRow(t.Context(), `EXPLAIN (ANALYZE, FORMAT JSON) `+sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan step }
	if err := json.Unmarshal(text, &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan
}

func TestWhatIsAskedOfOneChatIsReadByAnIndex(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Postgres(t))
	exec(t, conn, many)
	for name, test := range map[string]struct{ query, arguments string }{
		"the last messages, for a prompt": {
			`(bigint, bigint) AS SELECT body FROM messages m WHERE m.chat_id = $1 ORDER BY m.sent_at DESC, m.number DESC LIMIT $2`, `3, 15`,
		},
		"a message": {`(bigint, bigint) AS SELECT body FROM messages m WHERE m.chat_id = $1 AND m.number = $2`, `3, 3010`},
		"the last messages of many chats, for a decision": {
			`(bigint[]) AS SELECT m.body FROM unnest($1) AS chat(id) CROSS JOIN LATERAL (
				SELECT * FROM messages WHERE chat_id = chat.id ORDER BY sent_at DESC, number DESC LIMIT 50) m`, `'{3}'`,
		},
		"a message by Telegram's id": {
			`(bigint, bigint) AS SELECT number FROM messages WHERE chat_id = $1 AND telegram_id = $2 ORDER BY number DESC LIMIT 1`, `3, 10`,
		},
	} {
		// A frequent statement may be planned without its arguments.
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			exec(t, conn, `SET plan_cache_mode = `+mode)
			exec(t, conn, `PREPARE question `+test.query)
			how := explain(t, conn, `EXECUTE question (`+test.arguments+`)`).read()
			exec(t, conn, `DEALLOCATE question`)
			if len(how) != 1 || how[0] != "Index Scan" && how[0] != "Index Only Scan" {
				t.Errorf("%s (%s): read by %q, want one scan of an index", name, mode, how)
			}
		}
	}
}

// together is the migration that puts all messages into one table.
const together = 23

func TestMessagesOutliveTheirMoves(t *testing.T) {
	t.Parallel()
	dsn := testenv.EmptyPostgres(t)
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, dsn)
	exec(t, conn, many)
	exec(t, conn, `UPDATE messages SET reply_to = number - 1 WHERE number % 10 = 5`)
	exec(t, conn, `UPDATE messages SET telegram_id = NULL WHERE chat_id = 9`)
	exec(t, conn, `INSERT INTO message_ids (chat_id, viewer, telegram_id, number) SELECT chat_id, 1, number, number FROM messages WHERE chat_id = 9`)
	text := func(query string) (s string) {
		if err := conn.QueryRow(t.Context(), query).Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	// The messages, and their ids by viewer.
	const said = `SELECT count(*) || ' ' || sum(hashtextextended((chat_id, number, person_id, reply_to, body, sent_at)::text, 0)) FROM messages`
	const ids = `SELECT sum(hashtextextended((chat_id, viewer, telegram_id, number)::text, 0))::text FROM (
		SELECT chat_id, 0 AS viewer, telegram_id, number FROM messages WHERE telegram_id IS NOT NULL UNION ALL SELECT * FROM message_ids) i`
	const idsBefore = `SELECT sum(hashtextextended((chat_id, viewer, telegram_id, number)::text, 0))::text FROM message_ids`
	saidNow, idsNow := text(said), text(ids)
	for applied(t, dsn) >= together {
		if err := migrations.Down(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := text(said), text(idsBefore); a != saidNow || b != idsNow {
		t.Errorf("down: %s and %s, want %s and %s", a, b, saidNow, idsNow)
	}
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	if a, b := text(said), text(ids); a != saidNow || b != idsNow {
		t.Errorf("up again: %s and %s, want %s and %s", a, b, saidNow, idsNow)
	}
}
