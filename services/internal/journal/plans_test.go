package journal_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// A connection plans a statement once, perhaps while the tables are empty or tiny. The
// statement must still read few pages after the tables have grown, before new statistics
// exist.
func TestStatementsReadAsMuchInALargeDatabase(t *testing.T) {
	for name, rows := range map[string]struct{ open, closed int }{
		"planned while empty": {}, "planned while tiny": {open: 1}, "planned while nothing is open": {closed: 300},
	} {
		t.Run(name, func(t *testing.T) { readsAsMuch(t, rows.open, rows.closed) })
	}
}

func readsAsMuch(t *testing.T, open, closed int) {
	t.Helper()
	f := newFixture(t)
	cfg := store.DefaultConfig()
	cfg.URL, cfg.MaxConnections = f.pool.Config().ConnString(), 2
	conn, run := journaltest.Session(t, cfg.ByKey())
	for i := range open + closed {
		f.plan(journal.Planned{Turn: f.turn(f.chat, chorusv1.TurnKind_TURN_KIND_MESSAGE)})
		run(fmt.Sprintf(`
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at)
SELECT chat_id, turn_no, bot_id, 'send_message', 'message', 'x', expires_at FROM turns WHERE turn_no = %d`, i+1))
	}
	run(fmt.Sprintf(`UPDATE turns SET written_at = now(), closed_at = now(), outcome = 'delivered' WHERE turn_no <= %d`, closed))
	run(fmt.Sprintf(`UPDATE deliveries SET state = 'closed', closed_at = now(), outcome = 'delivered' WHERE turn_no <= %d`, closed))
	run(`VACUUM ANALYZE`)
	names := map[string]string{}
	parameter := regexp.MustCompile(`\$(\d+)`)
	for name, sql := range journal.Statements() {
		n := 0
		for _, m := range parameter.FindAllStringSubmatch(sql, -1) {
			var i int
			_, _ = fmt.Sscan(m[1], &i)
			n = max(n, i)
		}
		prepared := strings.ReplaceAll(name, " ", "_")
		names[name] = fmt.Sprintf("EXECUTE %s(%s)", prepared, arguments(name, n))
		run("PREPARE " + prepared + " AS " + sql)
		run(names[name])
	}
	// Most rows are closed; some wait.
	run(`ALTER TABLE turns SET (autovacuum_enabled = off)`)
	run(`ALTER TABLE deliveries SET (autovacuum_enabled = off)`)
	run(`INSERT INTO chats (name, telegram_id, kind) SELECT 'chat' || n, -2000000000000 - n, 'supergroup' FROM generate_series(1, 400) n`)
	run(`
INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at, written_at, outcome, closed_at)
SELECT c.id, n, b.id, 'message', 'x', now(), now(), now() + interval '1 hour',
    CASE WHEN n <= 58 THEN now() END, CASE WHEN n <= 55 THEN 'delivered' END, CASE WHEN n <= 55 THEN now() END
FROM generate_series(1, 60) n, chats c, bots b WHERE c.name <> 'club'`)
	run(`
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at, state, outcome, closed_at)
SELECT chat_id, turn_no, bot_id, 'send_message', 'message', 'x', expires_at, CASE WHEN outcome IS NULL THEN 'waiting' ELSE 'closed' END, outcome, closed_at
FROM turns WHERE written_at IS NOT NULL ON CONFLICT DO NOTHING`)
	run(`UPDATE turns SET owner = 1, fence = 1, claimed_until = now() + interval '1 minute' WHERE chat_id IN (2, 3) AND turn_no = 59`)
	run(`UPDATE deliveries SET state = 'sending', owner = 1, fence = 1, claimed_until = now() + interval '1 minute' WHERE chat_id IN (2, 3) AND turn_no = 56`)
	// Sweeps read all open rows, some hundred pages here. Other statements read two chats'
	// rows.
	for name, execute := range names {
		limit := 150
		if strings.HasPrefix(name, "due") || strings.HasPrefix(name, "take") {
			limit = 6000
		}
		if n, plan := journaltest.Pages(t, conn, execute); n > limit {
			t.Errorf("%s reads %d pages, want at most %d: %s", name, n, limit, plan)
		} else {
			t.Logf("%s reads %d pages", name, n)
		}
	}
}

// arguments returns arguments that name two chats.
func arguments(name string, n int) string {
	values := []string{"1", "'1 minute'"}
	turn := "{59,59}" // the first unwritten turn
	if strings.HasSuffix(name, "deliveries") {
		turn = "{56,56}" // the first unsent turn
	}
	lists := func(types ...string) {
		for i, of := range types {
			if i == 0 {
				values = append(values, "'{2,3}'::bigint[]")
				continue
			}
			value := map[string]string{
				"bigint": turn, "smallint": "{1,1}", "text": "{expired,expired}", "bool": "{false,false}", "bytea": `{"x","x"}`, "timestamptz": "{now,now}",
				"integer": "{1,1}", "interval": `{"1 s","1 s"}`,
			}[of]
			if of == "bigint" && i > 1 {
				value = "{1,1}" // fences and others
			}
			values = append(values, fmt.Sprintf("'%s'::%s[]", value, of))
		}
	}
	switch name {
	case "claim texts", "claim prompts":
		lists("bigint")
	case "commit texts", "commit texts and drafts":
		lists("bigint", "bigint", "bigint", "text", "text", "bool")
		values = append(values, "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{now,NULL}'")
		if n > len(values) {
			values = append(values, "'{2,3}'", "'{59,59}'", "'{[],NULL}'", "'{[],[]}'")
		}
	case "commit prompts":
		lists("bigint", "bigint", "bigint", "bool")
	case "claim deliveries":
		values = append(values, "'message'")
		lists("bigint")
	case "commit deliveries":
		values = append(values, "'message'")
		lists("bigint", "bigint", "smallint", "bigint", "text", "text", "bool", "bigint", "bigint", "text", "bigint", "timestamptz")
	case "step deliveries":
		values = nil
		lists("bigint", "bigint", "smallint", "bigint", "integer", "text", "text", "interval")
		values[5], values[6] = "'{sending,sending}'", "'{action,action}'"
	case "lock held":
		values = []string{"2", "56", "0"}
	case "read held":
		values = []string{"2", "56"}
	case "cut held", "discard held":
		values = []string{"2", "56", "'1'"}
	case "rewrite held":
		values = []string{"2", "56", "'x'", "now()"}
	case "approve held":
		values = []string{"2", "56", "now()", "'{1}'", `'{"x"}'`, "'{x}'"}
	case "due texts", "due prompts":
		values = []string{"100"}
	case "due deliveries":
		values = []string{"'message'", "100"}
	case "take deliveries":
		values = append(values, "'message'", "100", "'{}'::bigint[]")
	default: // take texts, take prompts
		values = append(values, "100", "'{}'::bigint[]")
	}
	if len(values) != n {
		panic(fmt.Sprintf("%s has %d parameters, not %d", name, n, len(values)))
	}
	return strings.Join(values, ", ")
}
