package people_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/people"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestAllThatIsKeptIsTold(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	chat := journaltest.Chat(t, pool, "club")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, statement := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO people (telegram_id, name, username, seen_at) VALUES (42, 'Tom', 'Tom_J', $1), (43, 'Ann', '', $1)`, []any{at}},
		{
			`INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES ($1, 42, 'first', $2), ($1, 42, 'second', $3), ($1, 43, 'not mine', $2)`,
			[]any{chat, at, at.Add(time.Minute)},
		},
		{`INSERT INTO prompts (chat_id, message, person_id, addressed_bots, happened_at, heard_at) VALUES ($1, 1, 42, '{}', $2, $2), ($1, 2, 43, '{}', $2, $2)`, []any{chat, at}},
	} {
		if _, err := pool.Exec(t.Context(), statement.sql, statement.args...); err != nil {
			t.Fatal(err)
		}
	}
	for _, who := range []string{"42", "@tom_j"} {
		id, err := people.Find(t.Context(), pool, who)
		if err != nil || id != 42 {
			t.Fatalf("%s is %d, %v", who, id, err)
		}
	}
	got, err := people.Read(t.Context(), pool, 42)
	if err != nil {
		t.Fatal(err)
	}
	want := people.Kept{
		TelegramID: 42, Name: "Tom", Username: "Tom_J", SeenAt: at, Prompts: 1, Commands: []string{}, Memories: []people.Memory{},
		Messages: []people.Message{{Chat: "club", SentAt: at, Text: "first"}, {Chat: "club", SentAt: at.Add(time.Minute), Text: "second"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A bot's own topics are not words that a person brought up.
func TestWhatACastIsAboutIsNobodysWord(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	bot := journaltest.Bot(t, pool, "reader")
	chat := journaltest.Chat(t, pool, "club", bot)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, statement := range []struct {
		sql  string
		args []any
	}{
		{`UPDATE chats SET topics = '{Middlemarch}' WHERE id = $1`, []any{chat}},
		{`INSERT INTO stances (bot_id, topic, stance) VALUES ($1, 'lighthouses', 'are lonely')`, []any{bot}},
		{`INSERT INTO people (telegram_id, name, seen_at) VALUES (42, 'Rita', $1)`, []any{at}},
		{`INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES ($1, 42, '@reader Middlemarch or lighthouses or quokkas?', $2)`, []any{chat, at}},
		{
			`INSERT INTO messages (chat_id, bot_id, body, sent_at) VALUES
			($1, $2, 'Middlemarch has no lighthouses.', $3), ($1, $2, 'A quokka smiles.', $3)`,
			[]any{chat, bot, at.Add(time.Minute)},
		},
	} {
		if _, err := pool.Exec(t.Context(), statement.sql, statement.args...); err != nil {
			t.Fatal(err)
		}
	}
	got, err := people.Read(t.Context(), pool, 42)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Lines) != 1 || got.Lines[0].Text != "A quokka smiles." {
		t.Errorf("got %+v", got.Lines)
	}
}

func TestOfStrangersNothingIsKept(t *testing.T) {
	t.Parallel()
	pool := journaltest.Open(t)
	if _, err := people.Read(t.Context(), pool, 42); !errors.Is(err, people.ErrNobody) {
		t.Errorf("got %v", err)
	}
	if _, err := people.Find(t.Context(), pool, "@tom"); !errors.Is(err, people.ErrNobody) {
		t.Errorf("got %v", err)
	}
	for _, who := range []string{"", "tom", "-", "0", "1.5", "99999999999999999999"} {
		if _, err := people.Find(t.Context(), pool, who); err == nil || errors.Is(err, people.ErrNobody) {
			t.Errorf("%q: %v", who, err)
		}
	}
}
