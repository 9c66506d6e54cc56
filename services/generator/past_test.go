package generator

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// The cache with new lines added equals a first read.
func TestWhatWasSaidIsAddedTo(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bots := []int64{journaltest.Bot(t, pool, "anna"), journaltest.Bot(t, pool, "ben")}
	chats := []int64{journaltest.Chat(t, pool, "one", bots...), journaltest.Chat(t, pool, "two", bots...)}
	random := rand.New(rand.NewPCG(1, 2))
	kept := &historyReader{pool: pool, max: chatWindow, keep: cacheLifetime}
	for n := int64(1); n <= 3*chatWindow; n++ {
		chat, bot := chats[random.IntN(2)], bots[random.IntN(2)]
		for _, sql := range []string{
			`INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at, written_at)
			VALUES ($1, $2::bigint, $3, 'message', '', now(), now(), now() + interval '1 hour', now())`,
			`INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at, body)
			VALUES ($1, $2::bigint, $3, 'send_message', 'message', '', now(), 'line ' || $2::bigint)`,
			`INSERT INTO messages (chat_id, number, bot_id, body, sent_at, talk) VALUES ($1, nextval('message_numbers'), $3, 'heard ' || $2::bigint, now(), $2::bigint % 5 > 0)`,
		} {
			if _, err := pool.Exec(t.Context(), sql, chat, n, bot); err != nil {
				t.Fatal(err)
			}
		}
		if random.IntN(3) > 0 {
			continue
		}
		turns := []question{{chat: chat, turn: n, bot: bot}, {chat: chats[0], turn: n + 1, bot: bots[0]}}
		if diff := gocmp.Diff(wordsOf(t, &historyReader{pool: pool, max: chatWindow}, turns), wordsOf(t, kept, turns), gocmp.AllowUnexported(word{})); diff != "" {
			t.Fatalf("after %d lines (-a first look +one that was added to): %s", n, diff)
		}
	}
}

// A forgotten person's words are never shown to a model again.
func TestWhatWasErasedIsNotKnown(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "anna")
	chat := journaltest.Chat(t, pool, "one", bot)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	kept, turn := &historyReader{pool: pool, max: chatWindow, keep: cacheLifetime}, question{chat: chat, turn: 1, bot: bot}
	for n := range 2 { // a person may be forgotten twice
		exec(`INSERT INTO people (telegram_id, name) VALUES (7, 'Tom')`)
		exec(`INSERT INTO messages (chat_id, person_id, body, sent_at, talk) VALUES ($1, 7, 'My secret.', now(), true)`, chat)
		before, err := kept.of(t.Context(), []question{turn})
		if err != nil || len(before[0].lines) != 1 {
			t.Fatalf("%d lines: %v", len(before[0].lines), err)
		}
		exec(`DELETE FROM messages`)
		exec(`DELETE FROM people`)
		exec(`INSERT INTO forgotten (person_id, at) VALUES (7, now()) ON CONFLICT (person_id) DO UPDATE SET at = excluded.at`)
		after, err := kept.of(t.Context(), []question{turn})
		if err != nil || len(after[0].lines)+len(after[0].said) != 0 {
			t.Errorf("the %d. time %+v is known still: %v", n+1, after[0], err)
		}
	}
}

type word struct {
	text      string
	elsewhere bool
}

// wordsOf returns the texts that turns must not repeat, sorted.
func wordsOf(t *testing.T, l *historyReader, turns []question) (all [][]word) {
	t.Helper()
	found, err := l.of(t.Context(), turns)
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range found {
		var words []word
		for _, w := range of.said {
			words = append(words, word{w.text, w.elsewhere})
		}
		slices.SortFunc(words, func(a, b word) int { return cmp.Compare(a.text, b.text) })
		all = append(all, words)
	}
	return all
}
