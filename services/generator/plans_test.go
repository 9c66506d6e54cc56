package generator

import (
	"fmt"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// A connection plans the statement that reads the past once, while the tables are empty or young.
// It must still read few pages when the tables have grown and no new statistics exist.
func TestThePastIsReadByKeys(t *testing.T) {
	t.Parallel()
	for name, young := range map[string]int{"planned while empty": 0, "planned while young": 20} {
		t.Run(name, func(t *testing.T) { readsByKeys(t, young) })
	}
}

// readsByKeys plans the statement when each chat has so many turns.
func readsByKeys(t *testing.T, young int) {
	t.Helper()
	t.Parallel()
	const old = 200
	pool := journaltest.Open(t)
	cfg := store.DefaultConfig()
	cfg.URL = pool.Config().ConnString()
	conn, run := journaltest.Session(t, cfg)
	for _, table := range []string{"turns", "deliveries", "messages"} {
		run(`ALTER TABLE ` + table + ` SET (autovacuum_enabled = off)`)
	}
	var bots []int64
	for _, bot := range []string{"anna", "ben"} {
		bots = append(bots, journaltest.Bot(t, pool, bot))
	}
	journaltest.Chat(t, pool, "club", bots...)
	run(`INSERT INTO chats (name, telegram_id, kind) SELECT 'chat' || n, -2000000000000 - n, 'supergroup' FROM generate_series(1, 100) n`)
	talk := func(from, to int) {
		run(fmt.Sprintf(`
INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at, written_at, outcome, closed_at)
SELECT c.id, n, 1 + n %% 2, 'message', 'x', now(), now(), now() + interval '1 hour', now(), 'delivered', now()
FROM generate_series(%d, %d) n, chats c ORDER BY n`, from, to))
		run(fmt.Sprintf(`
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at, state, outcome, closed_at, body)
SELECT chat_id, turn_no, bot_id, 'send_message', 'message', 'x', expires_at, 'closed', outcome, closed_at, 'Well.'
FROM turns WHERE turn_no >= %d ORDER BY turn_no`, from))
		run(fmt.Sprintf(`
INSERT INTO messages (chat_id, number, bot_id, turn_no, body, sent_at) SELECT chat_id, turn_no, bot_id, turn_no, 'Well.', now()
FROM turns WHERE turn_no >= %d ORDER BY turn_no`, from))
	}
	talk(1, young)
	run(`ANALYZE`)
	execute := fmt.Sprintf(`EXECUTE past ('1 day', '{1,2}', '{1,2}', 300, '{%[1]d,0,0,0}', '{%[2]d,%[2]d}', '{1,2}', '{%[3]d,%[3]d}', 40, '{1,2}',
'{2100-01-01,2100-01-01}', '12 hours', %[4]d)`, old-5, old, old-10, passLookback)
	run(`PREPARE past (interval, bigint[], bigint[], integer, bigint[], bigint[], bigint[], bigint[], integer, bigint[], timestamptz[], interval, integer) AS ` + readPast)
	run(execute)
	talk(young+1, old)
	if n, plan := journaltest.Pages(t, conn, execute); n > 200 {
		t.Errorf("%d pages are read: %s", n, plan)
	} else {
		t.Logf("%d pages are read", n)
	}
}
