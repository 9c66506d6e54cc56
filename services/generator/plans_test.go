package generator

import (
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// The statement that reads the past is planned once for a connection, while the tables are
// empty. It must read few pages all the same when they have grown, before anybody has made
// new statistics.
func TestThePastIsReadByKeys(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	cfg := store.DefaultConfig()
	cfg.URL = pool.Config().ConnString()
	conn, run := journaltest.Session(t, cfg)
	const execute = `EXECUTE past ('1 day', '{1,2}', '{1,2}', 300, '{55,0,0,0}', '{60,60}', '{1,2}', '{50,50}', 40, '{1,2}', '{2100-01-01,2100-01-01}', '12 hours')`
	run(`PREPARE past (interval, bigint[], bigint[], integer, bigint[], bigint[], bigint[], bigint[], integer, bigint[], timestamptz[], interval) AS ` + readPast)
	run(execute)
	for _, table := range []string{"turns", "deliveries", "messages"} {
		run(`ALTER TABLE ` + table + ` SET (autovacuum_enabled = off)`)
	}
	var bots []int64
	for _, bot := range []string{"anna", "ben"} {
		bots = append(bots, journaltest.Bot(t, pool, bot))
	}
	journaltest.Chat(t, pool, "club", bots...)
	run(`INSERT INTO chats (name, telegram_id, kind) SELECT 'chat' || n, -2000000000000 - n, 'supergroup' FROM generate_series(1, 400) n`)
	run(`
INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at, written_at, outcome, closed_at)
SELECT c.id, n, 1 + n % 2, 'message', 'x', now(), now(), now() + interval '1 hour', now(), 'delivered', now() FROM generate_series(1, 60) n, chats c`)
	run(`
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at, state, outcome, closed_at, body)
SELECT chat_id, turn_no, bot_id, 'send_message', 'message', 'x', expires_at, 'closed', outcome, closed_at, 'Well.' FROM turns`)
	run(`INSERT INTO messages (chat_id, number, bot_id, turn_no, body, sent_at) SELECT chat_id, turn_no, bot_id, turn_no, 'Well.', now() FROM turns`)
	if n, plan := journaltest.Pages(t, conn, execute); n > 200 {
		t.Errorf("%d pages are read: %s", n, plan)
	}
}
