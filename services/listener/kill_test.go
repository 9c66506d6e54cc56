package listener_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/people"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/killpoint"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/listener/hearing"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// statements are the names of what listeners ask of the database, by how it begins.
func statements() [][2]string {
	return [][2]string{
		{"begin", "begin"},
		{"commit", "commit"},
		// What is heard.
		{"claim updates", "INSERT INTO heard "},
		{"find chats", "SELECT id, telegram_id"},
		{"find copies", "SELECT i.chat_id"},
		{"make room for a chat", "INSERT INTO hearing"},
		{"lock chats", "SELECT now() FROM hearing"},
		{"find who is forgotten", "SELECT person_id, at FROM forgotten WHERE person_id"},
		{"write people", "INSERT INTO people"},
		{"write a message", "WITH said AS"},
		{"write a prompt", "INSERT INTO prompts"},
		// Answers to commands.
		{"claim commands", "WITH due AS (SELECT chat_id, message FROM commands"},
		{"end a command", "DELETE FROM commands"},
		{"lock the clock", "SELECT turn_no, now()"},
		{"count answers", "SELECT count(*) FROM turns"},
		{"read a cast", "SELECT coalesce(p.display_name"},
		{"read rules", "SELECT retention_days"},
		{"choose a bot", "SELECT b.id FROM cast_members"},
		{"take a turn", "UPDATE chat_clock SET turn_no"},
		{"write a turn", "INSERT INTO turns"},
		{"write a delivery", "INSERT INTO deliveries"},
		// Forgetting.
		{"lock a person", "SELECT FROM people"},
		{"remember who is forgotten", "INSERT INTO forgotten"},
		{"keep marks", "UPDATE forgotten SET marks = $2"},
		{"forget prompts", "DELETE FROM prompts"},
		{"forget messages", "DELETE FROM messages WHERE person_id"},
		{"forget a person", "DELETE FROM people"},
		{"read turns", "SELECT t.chat_id, t.turn_no, t.bot_id"},
		{"withhold deliveries", "WITH held AS"},
		{"lock turns", "SELECT t.chat_id, t.turn_no, t.payload"},
		{"redact a turn", "UPDATE turns SET payload"},
		{"redact a delivery", "UPDATE deliveries SET payload"},
		{"end texts in work", "UPDATE turns SET outcome = 'rejected'"},
		{"end the erasure", "UPDATE forgotten SET marks = NULL"},
	}
}

// killPoints are the statements before and after each of which listeners die.
func killPoints() (hear, reply, forget []string) {
	hear = []string{
		"begin", "claim updates", "find chats", "find copies", "make room for a chat", "lock chats", "find who is forgotten", "write people",
		"write a message", "write a prompt", "commit",
	}
	reply = []string{
		"claim commands", "begin", "end a command", "lock the clock", "count answers", "read a cast", "read rules", "choose a bot", "take a turn",
		"write a turn", "write a delivery", "commit",
	}
	forget = []string{
		"begin", "lock a person", "remember who is forgotten", "keep marks", "forget prompts", "forget messages", "forget a person", "commit",
		"read turns", "withhold deliveries", "lock turns", "redact a turn", "redact a delivery", "end texts in work", "end the erasure",
	}
	return hear, reply, forget
}

func statement(sql string) string {
	sql = strings.Join(strings.Fields(sql), " ") + " "
	for _, s := range statements() {
		if strings.HasPrefix(sql, s[1]) {
			return s[0]
		}
	}
	return ""
}

// TestWhatADeadListenerHeardIsHeardOnce kills a listener before and after each statement
// by which it writes a question down, and has another hear it.
func TestWhatADeadListenerHeardIsHeardOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	chat, there := s.chat(world.Supergroup, "Here")
	statements, _, _ := killPoints()
	bot := hearing.Bot{ID: s.bots[0], Account: s.accounts[0], Username: username(0)}
	heir, err := hearing.New(s.pool, journal.New(s.pool))
	if err != nil {
		t.Fatal(err)
	}
	for i, point := range killpoint.Each(statements...) {
		u, err := incoming.Parse(json.RawMessage(update(int64(i+1), there, int64(i+1), fmt.Sprint("Who is ", i, "?"))))
		if err != nil {
			t.Fatal(err)
		}
		pool, reached := killpoint.Pool(t, s.pool.Config().ConnString(), point, statement)
		ear, err := hearing.New(pool, journal.New(pool))
		if err != nil {
			t.Fatal(err)
		}
		// Its error, if any, says that the database is gone. Then nothing is confirmed.
		_, _ = ear.Hear(t.Context(), bot, hearing.Cast{bot}, []incoming.Update{u})
		reached()
		if _, err := heir.Hear(t.Context(), bot, hearing.Cast{bot}, []incoming.Update{u}); err != nil {
			t.Fatal(err)
		}
		if lines, prompts := len(s.heard(chat)), len(s.prompts(chat)); lines != i+1 || prompts != i+1 {
			t.Fatalf("%d messages and %d prompts after a listener died %s, want %d", lines, prompts, point, i+1)
		}
	}
}

// TestCommandsOfTheDeadAreAnsweredOnce kills listeners before and after each statement of
// the answer to a command. Others answer it once.
func TestCommandsOfTheDeadAreAnsweredOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	s.metrics = nil
	heir := s.make(t, silent{})
	_, statements, _ := killPoints()
	for i, point := range killpoint.Each(statements...) {
		chat, _ := s.chat(world.Supergroup, "Here")
		s.exec(`INSERT INTO commands (chat_id, message, bot_id, person_id, anonymous, name, argument, said_at) VALUES ($1, 1, $2, 42, false, 'about', '', now())`,
			chat, s.bots[0])
		doomed := s.in(t)
		var reached func()
		doomed.pool, reached = killpoint.Pool(t, s.pool.Config().ConnString(), point, statement)
		// Its error, if any, says that the database is gone.
		_ = doomed.make(t, silent{}).Commands(t.Context())
		reached()
		s.exec(`UPDATE commands SET next_at = now()`) // the claim of the dead has ended
		if err := heir.Commands(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := value[int](s, `SELECT count(*) FROM turns JOIN deliveries USING (chat_id, turn_no) WHERE kind = 'command' AND lane = 'command'`); n != i+1 {
			t.Fatalf("%d answers after a listener died %s, want %d", n, point, i+1)
		}
	}
}

// TestAnErasureOutlivesACrash kills who forgets somebody before and after each statement.
// Whoever tries again, or finds it undone, does it to its end.
func TestAnErasureOutlivesACrash(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	chat, _ := s.chat(world.Supergroup, "Here")
	_, _, statements := killPoints()
	j := journal.New(s.pool)
	heir := people.Erasure{Pool: s.pool, Journal: j}
	for i, point := range killpoint.Each(statements...) {
		person := int64(1000 + i)
		s.exec(`INSERT INTO people (telegram_id, name) VALUES ($1, $2)`, person, nickname)
		s.exec(`
WITH said AS (INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES ($1, $2, $3, now()) RETURNING number)
INSERT INTO prompts (chat_id, message, person_id, addressed_bots, happened_at, heard_at) SELECT $1, number, $2, '{}', now(), now() FROM said`,
			chat, person, "Who has a "+marker+"?")
		s.sent(j, s.says(j, s.plans(j, chat, s.bots[0], 0), nickname+" has a "+marker, true))
		until := time.Now().Add(time.Second)
		pool, reached := killpoint.Pool(t, s.pool.Config().ConnString(), point, statement)
		doomed := people.Erasure{Pool: pool, Journal: journal.New(pool)}
		// Its error, if any, says that the database is gone.
		_ = doomed.Forget(t.Context(), person, until)
		reached()
		begun := value[bool](s, `SELECT EXISTS (SELECT FROM forgotten WHERE person_id = $1)`, person)
		if begun && value[int](s, `SELECT count(*) FROM messages WHERE person_id = $1`, person) != 0 {
			t.Errorf("what they wrote is left after a death %s", point)
		}
		again := func(ctx context.Context) error { return heir.Forget(ctx, person, until) } // the command is tried again
		if begun {
			again = func(ctx context.Context) error { return heir.Resume(ctx, -time.Minute) }
		}
		if err := again(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{marker, nickname} {
			if left := s.everywhere(text); len(left) > 0 {
				t.Fatalf("%s is left in %v after a death %s", text, left, point)
			}
		}
	}
	if n := value[int](s, `SELECT count(*) FROM forgotten WHERE marks IS NOT NULL`); n != 0 {
		t.Error("by what they were recognised is kept")
	}
	// One whose erasure fails again and again comes first, and holds up no other.
	s.exec(`INSERT INTO forgotten (person_id, at, marks) VALUES (-1, now() - interval '2 hours', '[]'), (-2, now() - interval '1 hour', '{}')`)
	if err := heir.Resume(t.Context(), time.Minute); err == nil {
		t.Error("an erasure that can't be read has succeeded")
	}
	testenv.Eventually(t, "the other is done", func() (string, bool) {
		left := value[int](s, `SELECT count(*) FROM forgotten WHERE marks IS NOT NULL`)
		return fmt.Sprint(left), left == 1
	})
}
