package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

const (
	benchChats, benchTurns, benchBots = 2000, 1_000_000, 500
	// asked is the number of requests for each page.
	asked = 60
)

// full fills the club's database: a million turns of 2,000 chats and 500 bots, most of them
// delivered, all with a delivery and a message.
func (c *club) full() {
	c.t.Helper()
	payload, err := proto.Marshal(&chorusv1.Turn{
		Id: &chorusv1.TurnId{ChatId: 1, Number: 1}, BotId: 1, Topic: "books", Emoji: "👍",
		Reasons: []*chorusv1.Reason{{Rule: "bot.chosen", Weight: 0.9, Detail: "anna"}, {Rule: "target.question", Weight: 4, Detail: "asks"}, {Rule: "length.medium", Weight: 0.3}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	names, sealed := make([]string, benchBots), make([][]byte, benchBots)
	for i := range names {
		names[i] = fmt.Sprint("bot", i+1)
		if sealed[i], err = (rosterpg.Tokens{Keyring: c.keys}).Seal(names[i], secret.New("1:token")); err != nil {
			c.t.Fatal(err)
		}
	}
	conn, err := c.pool.Acquire(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Release()
	for _, fill := range []struct {
		sql  string
		args []any
	}{
		{`SET statement_timeout = 0`, nil},
		{`INSERT INTO bots (name, token_sealed, username) SELECT name, sealed, name || '_bot' FROM unnest($1::text[], $2::bytea[]) AS b (name, sealed)`, []any{names, sealed}},
		{`INSERT INTO personas (bot_id, display_name, summary) SELECT id, initcap(name), 'Somebody.' FROM bots ON CONFLICT DO NOTHING`, nil},
		{`
INSERT INTO chats (name, telegram_id, kind, enabled, title)
SELECT 'chat' || n, -2000000000000 - n, 'supergroup', true, 'Chat ' || n FROM generate_series(2, $1) n`, []any{benchChats}},
		{`INSERT INTO chat_clock (chat_id, turn_no, next_turn_at) SELECT id, 500, now() FROM chats ON CONFLICT (chat_id) DO UPDATE SET turn_no = 500`, nil},
		{`INSERT INTO cast_members (chat_id, bot_id) SELECT c.id, 2 + (c.id + n) % 500 FROM chats c, generate_series(1, 5) n ON CONFLICT DO NOTHING`, nil},
		{
			`
INSERT INTO turns (chat_id, turn_no, bot_id, kind, topic, target_message, payload, planned_at, due_at, expires_at, written_at, outcome, closed_at, reason)
SELECT c, n, 2 + (c + n % 5) % 500, kind, 'books', CASE WHEN kind = 'message' THEN NULL ELSE n * 2000 + c - 2000 * (1 + n % 3) END, $2, at, at, at + interval '2 minutes',
    CASE WHEN n < 500 THEN at + interval '1 second' END, outcome, CASE WHEN outcome IS NOT NULL THEN at + interval '3 seconds' END,
    CASE WHEN outcome = 'rejected' THEN 'the guard objects' ELSE '' END
FROM generate_series(1, 500) n, generate_series(1, $1::integer) c,
    LATERAL (SELECT now() - (500 - n) * interval '1 minute' - c * interval '20 ms' AS at,
        CASE n % 4 WHEN 0 THEN 'message' WHEN 1 THEN 'reaction' ELSE 'reply' END AS kind,
        CASE WHEN n = 500 THEN NULL WHEN n % 100 = 7 THEN 'rejected' WHEN n % 100 = 8 THEN 'expired' WHEN n = 77 AND c % 50 = 0 THEN 'dead' ELSE 'delivered' END AS outcome) x`,
			[]any{benchChats, payload},
		},
		{`INSERT INTO dead_letters (chat_id, turn_no, service, reason, attempts) SELECT chat_id, turn_no, 'sender', 'no', 3 FROM turns WHERE outcome = 'dead'`, nil},
		{`
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at, body, state, outcome, closed_at, created_at)
SELECT chat_id, turn_no, bot_id, 'send_message', 'message', '', expires_at, 'What I like of chapter ' || turn_no || ' is how little it says of the storm.',
    'closed', outcome, closed_at, written_at FROM turns WHERE outcome IN ('delivered', 'expired', 'dead')`, nil},
		{`
INSERT INTO messages (chat_id, number, bot_id, turn_no, body, sent_at, telegram_id, reply_to)
SELECT t.chat_id, t.turn_no * 2000 + t.chat_id, t.bot_id, t.turn_no, d.body, t.closed_at, t.turn_no, t.target_message
FROM turns t JOIN deliveries d USING (chat_id, turn_no) WHERE t.outcome = 'delivered' AND t.kind <> 'reaction'`, nil},
		{`
INSERT INTO llm_calls (at, purpose, chat_id, turn_no, bot_id, provider, outcome)
SELECT planned_at, 'text', chat_id, turn_no, bot_id, 'offline', 'written' FROM turns WHERE turn_no > 450`, nil},
		{`
INSERT INTO llm_calls (at, purpose, chat_id, turn_no, bot_id, provider, outcome, prompt_tokens, cost)
SELECT now() - n * interval '8 minutes', 'text', 1 + n % $1, NULL, 2 + n % 500, 'local', CASE WHEN n % 9 = 0 THEN 'time-out' ELSE 'written' END, 900, 0.001
FROM generate_series(1, 16000) n`, []any{benchChats}},
		// The totals that are kept longer than single calls.
		{`
INSERT INTO llm_totals SELECT by, current_date - n, key, '', 9, 1, 900, 0, 0.01, '1 second' FROM llm_totals t, generate_series(91, 300) n
WHERE by IN ('provider', 'purpose') AND day = current_date OR by = 'chat' AND day = current_date - 1 AND n < 120`, nil},
		{`INSERT INTO people (telegram_id, name, username) SELECT n, 'Person ' || n, 'person' || n FROM generate_series(1, 2000) n`, nil},
		// One of them says much.
		{`
INSERT INTO messages (chat_id, number, person_id, body, sent_at, telegram_id)
SELECT 1 + (person + 500 * (n % 3)) % $1, 2000000 + n, person, 'I, too, think that chapter ' || n || ' says too little.', now() - n * interval '1 minute', 100000 + n
FROM generate_series(1, 50000) n, LATERAL (SELECT CASE WHEN n <= 2000 THEN 1 ELSE 1 + n % 2000 END AS person) x`, []any{benchChats}},
		{`INSERT INTO memories (bot_id, kind, content) SELECT 2 + n % 500, 'fact', 'Chapter ' || n || ' is short.' FROM generate_series(1, 5000) n`, nil},
		{`
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at, body, state)
SELECT chat_id, turn_no, bot_id, 'send_message', 'held', '', expires_at, 'This one waits.', 'waiting' FROM turns WHERE turn_no = 500 AND chat_id % 3 = 0`, nil},
		{`INSERT INTO pauses (chat_id, bot_id, by) SELECT 7 * n, 0, 'anna' FROM generate_series(1, 100) n`, nil},
		{`
INSERT INTO audit_log (at, actor, origin, via, operation, object, result)
SELECT now() - (100000 - n) * interval '3 minutes', 'anna', '192.0.2.1', 'console', 'pause', 'chat ' || n % 2000, 'done' FROM generate_series(1, 100000) n`, nil},
		{`INSERT INTO users (name, role) SELECT 'user' || n, 'viewer' FROM generate_series(1, 200) n`, nil},
		{`VACUUM ANALYZE`, nil},
		{`RESET statement_timeout`, nil},
	} {
		if _, err := conn.Exec(c.t.Context(), fill.sql, fill.args...); err != nil {
			c.t.Fatalf("%s: %v", fill.sql, err)
		}
	}
	c.exec(`
INSERT INTO cast_versions (actor, file, changes)
SELECT 'anna', $1, '[{"op": "changed", "name": "bot anna", "edits": [{"path": "summary", "before": "a", "after": "b"}]}]' FROM generate_series(1, 200)`,
		c.as(access.Owner, http.MethodGet, "/cast/export", nil).Body.String())
	var turns int
	if err := c.pool.QueryRow(c.t.Context(), `SELECT count(*) FROM turns`).Scan(&turns); err != nil || turns != benchTurns {
		c.t.Fatalf("there are %d turns: %v", turns, err)
	}
}

// BenchmarkPages prints how long the slowest of all pages takes, at the 95th percentile, on
// a million turns of 2,000 chats.
func BenchmarkPages(b *testing.B) {
	c := newClub(b)
	c.full()
	for b.Loop() {
		slowest := time.Duration(0)
		for _, page := range pages() {
			var took []time.Duration
			for range asked {
				began := time.Now()
				if w := c.as(access.Owner, http.MethodGet, page, nil); w.Code != http.StatusOK {
					b.Fatalf("%s: %d: %s", page, w.Code, w.Body)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			p95 := took[len(took)*95/100]
			b.Logf("%s: %v", page, p95)
			slowest = max(slowest, p95)
		}
		fmt.Printf("figure console.page_ms %.1f ms\n", float64(slowest.Microseconds())/1000)
	}
}

// pages returns every page, and for pages with a search the searches that read the most.
func pages() []string {
	return []string{
		"/", "/chats", "/chats?q=chat199", "/chats?after=chat1500", "/chats/1000", "/chats/1000?before=400000", "/chats/1000/state",
		"/chats/1000/lines?after=990000&turn=495&since=0", "/chats/1000/lines?before=400000",
		"/turns", "/turns?outcome=dead", "/turns?outcome=rejected", "/turns?outcome=open", "/turns?chat=1000", "/turns?chat=1000&text=storm",
		"/turns?bot=bot77", "/turns?kind=reaction&outcome=delivered", "/turns?rule=target.question", "/turns?rule=none.such", "/turns?text=chapter+499",
		"/turns?text=nothing+of+the+kind", "/turns?bot=bot77&outcome=expired&from=2020-01-01", "/turns/replay?outcome=dead", "/turns/expire?bot=bot77",
		"/chats/1000/turns/499", "/chats/1000/turns/77",
		"/cast", "/cast?after=bot300", "/cast/chats", "/cast/file", "/cast/history", "/cast/history/200", "/cast/new", "/cast/bots/bot77", "/cast/chats/chat1000",
		"/direct", "/chats/1000/direct/", "/approve",
		"/operate", "/operate/now", "/operate/usage", "/operate/usage?by=chat&days=90", "/operate/usage?by=day", "/operate/settings", "/operate/settings?chat=chat1000", "/operate/checks", "/operate/keys",
		"/people", "/people?after=chat300", "/people/1", "/people/77", "/people/1/lines",
		"/accounts", "/account", "/audit", "/audit?from=2020-01-01&text=chat+77", "/audit?text=chat+77", "/audit?text=nothing+of+the+kind",
	}
}

// Every page is among those that are measured.
func TestEveryPageIsMeasured(t *testing.T) {
	c := newClub(t)
	routes, is := c.handler.(chi.Routes)
	if !is {
		t.Fatal("the console's pages have no routes")
	}
	measured := map[string]bool{}
	for _, page := range pages() {
		path, _, _ := strings.Cut(page, "?")
		measured[routes.Find(chi.NewRouteContext(), http.MethodGet, path)] = true
	}
	n := 0
	if err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method == http.MethodGet && !strings.HasSuffix(route, "/export") { // which gives a file
			if n++; !measured[route] {
				t.Errorf("how long %s takes is not measured", route)
			}
		}
		return nil
	}); err != nil || n < 25 {
		t.Errorf("there are %d pages: %v", n, err)
	}
}
