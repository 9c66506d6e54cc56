package memory_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/memory"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func mind(t *testing.T, pool *pgxpool.Pool, bot int64, topic string, present ...string) string {
	t.Helper()
	there := memory.Present{People: map[int64]string{}}
	for i, name := range present {
		there.People[int64(i+1)] = name
	}
	awake, err := memory.Awake(t.Context(), pool, []int64{bot})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range memory.Choose(awake[bot], topic, there, 2) {
		all = append(all, c.Content)
	}
	return strings.Join(all, "|")
}

func TestWhatComesToMind(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	exec(t, pool, `INSERT INTO memories (bot_id, kind, content, relevance, created_at) VALUES
($1, 'fact', 'Strong and fresh.', 0.9, now()), ($1, 'fact', 'Strong and long ago.', 0.9, now() - interval '100 days'),
($1, 'fact', 'Weak, about printing.', 0.3, now()), ($1, 'relationship', 'Weak, about Tom.', 0.3, now())`, bot)
	if got := mind(t, pool, bot, ""); got != "Strong and fresh.|Weak, about printing." {
		t.Errorf("without a topic: %q", got)
	}
	if got := mind(t, pool, bot, "the printing of books"); got != "Strong and fresh.|Weak, about printing." && got != "Weak, about printing.|Strong and fresh." {
		t.Errorf("on a topic: %q", got)
	}
	if got := mind(t, pool, bot, "", "anna", "Tom Reed"); !strings.Contains(got, "about Tom") {
		t.Errorf("with Tom there: %q", got)
	}
	if got := mind(t, pool, bot, "", "an"); strings.Contains(got, "about Tom") {
		t.Errorf("without Tom: %q", got)
	}
}

func TestATalkIsSearchedOnceAndWhatFadedGoes(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "club", bot)
	exec(t, pool, `INSERT INTO memories (bot_id, kind, content, relevance, created_at, source, chat_id) VALUES
($1, 'fact', 'Learned and faded.', 0.5, now() - interval '2 years', 'learned', $2), ($1, 'fact', 'From the cast file.', 0.5, now() - interval '2 years', 'cast', NULL)`, bot, chat)
	if talk, err := memory.Claim(t.Context(), pool, time.Hour); err != nil || talk != nil {
		t.Fatalf("a silent chat gives %v, %v", talk, err)
	}
	exec(t, pool, `UPDATE chats SET remember_at = now()`) // an hour later
	exec(t, pool, `INSERT INTO messages (chat_id, number, bot_id, body, sent_at) SELECT $1, n, $2, 'Line ' || n, now() - n * interval '1 minute' FROM generate_series(1, 20) n`, chat, bot)
	talk, err := memory.Claim(t.Context(), pool, time.Hour)
	if err != nil || talk == nil || talk.Chat != chat || len(talk.Lines) != 20 || talk.Lines[0].Text != "Line 20" || talk.Cast[bot] != "anna" {
		t.Fatalf("got %+v, %v", talk, err)
	}
	if again, err := memory.Claim(t.Context(), pool, time.Hour); err != nil || again != nil {
		t.Errorf("it is searched by two: %v, %v", again, err)
	}
	exec(t, pool, `INSERT INTO people (telegram_id, name) VALUES (7, 'Tom'), (8, 'Ann')`)
	talk.People = map[int64]string{7: "Tom", 8: "Ann"} // both took part, the memory is about one of them
	found := []memory.New{{Bot: bot, Kind: "event", Content: "They counted lines.", Relevance: 0.6, AboutPeople: []int64{7}}, {Bot: bot, Kind: "fact", Content: "They counted lines!", Relevance: 0.6}}
	if err := memory.Learn(t.Context(), pool, talk, found); err != nil {
		t.Fatal(err)
	}
	all, err := memory.List(t.Context(), pool, "anna", 10)
	if err != nil || len(all) != 2 || all[0].Content != "They counted lines." || all[0].Source != memory.Learned || all[0].Chat != "club" || !slices.Equal(all[0].About, []string{"Tom"}) || len(all[1].About) > 0 || all[1].Source != memory.Cast {
		t.Errorf("it remembers %+v, %v", all, err)
	}
	exec(t, pool, `UPDATE chats SET remember_at = now()`)
	if again, err := memory.Claim(t.Context(), pool, time.Hour); err != nil || again != nil {
		t.Errorf("what was searched is searched again: %v, %v", again, err)
	}
}

// TestManyChatsCostAClaimNothing has one chat with messages among many silent ones, each of which
// is checked once, and by the index.
func TestManyChatsCostAClaimNothing(t *testing.T) {
	t.Parallel()
	const silent = 3000
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	exec(t, pool, `INSERT INTO chats (name, telegram_id, kind, enabled, topics, mean_gap, remember_at)
SELECT 'silent' || n, -1000000500000 - n, 'supergroup', true, '{books}', '1 second', now() - interval '1 hour' FROM generate_series(1, $1::int) n`, silent)
	chat := journaltest.Chat(t, pool, "club", bot)
	exec(t, pool, `INSERT INTO messages (chat_id, number, bot_id, body, sent_at) SELECT $1, n, $2, 'Line ' || n, now() - n * interval '1 minute' FROM generate_series(1, 20) n`, chat, bot)
	talk, err := memory.Claim(t.Context(), pool, time.Hour)
	if err != nil || talk == nil || talk.Chat != chat {
		t.Fatalf("got %+v, %v", talk, err)
	}
	var due int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM chats WHERE remember_at <= now()`).Scan(&due); err != nil || due != 0 {
		t.Errorf("%d chats are still due, %v", due, err)
	}
	exec(t, pool, `ANALYZE chats`)
	var plan string
	if err := pool.QueryRow(t.Context(), `EXPLAIN (FORMAT JSON) `+memory.ClaimChat, time.Hour, 12, 500).Scan(&plan); err != nil || !strings.Contains(plan, "chats_remember") {
		t.Errorf("the claim is planned so: %s, %v", plan, err)
	}
}
