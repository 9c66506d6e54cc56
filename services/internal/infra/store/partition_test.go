package store_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// many is 64 chats with 500 messages each, which every query reads from.
const many = `
INSERT INTO people (telegram_id, name) VALUES (7, 'Tom');
INSERT INTO chats (name, telegram_id, kind) SELECT 'chat-' || n, -1000000000000 - n, 'supergroup' FROM generate_series(1, 64) n;
INSERT INTO messages (chat_id, number, person_id, body, sent_at)
    SELECT c, c * 1000 + n, 7, 'Hello', now() - n * interval '1 minute' FROM generate_series(1, 64) c, generate_series(1, 500) n;
INSERT INTO message_ids (chat_id, viewer, telegram_id, number) SELECT chat_id, 0, number, number FROM messages;
ANALYZE`

// step is a step of a plan as EXPLAIN (ANALYZE, FORMAT JSON) tells it.
type step struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Loops    int    `json:"Actual Loops"`
	Plans    []step `json:"Plans"`
}

// read adds the partitions of a table that were read, and how.
func (s step) read(table string, into map[string]string) {
	if s.Loops > 0 && strings.HasPrefix(s.Relation, table+"_") {
		into[s.Relation] = s.Type
	}
	for _, p := range s.Plans {
		p.read(table, into)
	}
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

func TestWhatIsAskedOfOneChatReadsOnePartitionByAnIndex(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Postgres(t))
	exec(t, conn, many)
	for name, test := range map[string]struct{ table, query, arguments string }{
		"the last messages, for a prompt": {
			"messages", `(bigint, bigint) AS SELECT body FROM messages m WHERE m.chat_id = $1 ORDER BY m.sent_at DESC, m.number DESC LIMIT $2`, `3, 15`,
		},
		"a message": {
			"messages", `(bigint, bigint) AS SELECT body FROM messages m WHERE m.chat_id = $1 AND m.number = $2`, `3, 3010`,
		},
		"the last messages of many chats, for a decision": {
			"messages", `(bigint[]) AS SELECT m.body FROM unnest($1) AS chat(id) CROSS JOIN LATERAL (
				SELECT * FROM messages WHERE chat_id = chat.id ORDER BY sent_at DESC, number DESC LIMIT 50) m`, `'{3}'`,
		},
		"answers": {
			"messages", `(bigint, bigint) AS SELECT body FROM messages WHERE chat_id = $1 AND reply_to = $2`, `3, 3010`,
		},
		"a message by Telegram's id": {
			"message_ids", `(bigint, bigint) AS SELECT number FROM message_ids WHERE chat_id = $1 AND viewer = 0 AND telegram_id = $2`, `3, 3010`,
		},
		"Telegram's id of a message": {
			"message_ids", `(bigint, bigint) AS SELECT telegram_id FROM message_ids WHERE chat_id = $1 AND number = $2 AND viewer = 0`, `3, 3010`,
		},
	} {
		// A statement that is run often may be planned without its arguments.
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			exec(t, conn, `SET plan_cache_mode = `+mode)
			exec(t, conn, `PREPARE question `+test.query)
			read := map[string]string{}
			explain(t, conn, `EXECUTE question (`+test.arguments+`)`).read(test.table, read)
			exec(t, conn, `DEALLOCATE question`)
			if len(read) != 1 {
				t.Errorf("%s (%s): reads %v, want one partition", name, mode, read)
			}
			for partition, how := range read {
				if how != "Index Scan" && how != "Index Only Scan" {
					t.Errorf("%s (%s): reads %s by a %s", name, mode, partition, how)
				}
			}
		}
	}
}

// spread is the migration that changes how many tables messages are spread over.
const spread = 11

func TestMessagesOutliveAnotherSpread(t *testing.T) {
	t.Parallel()
	dsn := testenv.EmptyPostgres(t)
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, dsn)
	exec(t, conn, many)
	exec(t, conn, `UPDATE messages SET reply_to = number - 1 WHERE number % 10 = 5`)
	// All that is said, and who is named what.
	const all = `SELECT count(*) || ' ' || sum(hashtextextended((m.chat_id, m.number, m.person_id, m.reply_to, m.body, m.sent_at)::text, 0)) || ' ' || (SELECT sum(hashtextextended(i::text, 0)) FROM message_ids i) FROM messages m`
	spreadOver := func() (n int) {
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_inherits WHERE inhparent IN ('messages'::regclass, 'message_ids'::regclass)`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	said := func() (text string) {
		if err := conn.QueryRow(t.Context(), all).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := said()
	if n := spreadOver(); n != 16 {
		t.Errorf("%d tables", n)
	}
	for applied(t, dsn) >= spread {
		if err := migrations.Down(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
	}
	if got := said(); got != before || spreadOver() != 64 {
		t.Errorf("down: %s in %d tables, want %s", got, spreadOver(), before)
	}
	if err := migrations.Up(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	if got := said(); got != before || spreadOver() != 16 {
		t.Errorf("up again: %s in %d tables, want %s", got, spreadOver(), before)
	}
	// And what refers to a message still knows when it goes.
	exec(t, conn, `DELETE FROM messages WHERE number = 3014`)
	for what, left := range map[string]string{
		"answers to it": `SELECT count(*) FROM messages WHERE reply_to = 3014`,
		"its id":        `SELECT count(*) FROM message_ids WHERE number = 3014`,
	} {
		var n int
		if err := conn.QueryRow(t.Context(), left).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d are left, %v", what, n, err)
		}
	}
}
