package listener_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/people"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/killpoint"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/listener/incoming"
	"github.com/chorus-cast/chorus/services/listener/intake"
)

// TestWhatADeadListenerHeardIsHeardOnce kills a listener before and after each statement
// that writes a question. Another listener then receives it again.
func TestWhatADeadListenerHeardIsHeardOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	chat, there := s.chat(world.Supergroup, "Here")
	points, _, _ := killpoint.Listener()
	bot := intake.Bot{ID: s.bots[0], Account: s.accounts[0], Username: username(0)}
	successor, err := intake.New(s.pool, journal.New(s.pool))
	if err != nil {
		t.Fatal(err)
	}
	for i, point := range points {
		u, err := incoming.Parse(json.RawMessage(update(int64(i+1), there, int64(i+1), fmt.Sprint("Who is ", i, "?"))))
		if err != nil {
			t.Fatal(err)
		}
		pool, reached := killpoint.Pool(t, s.pool.Config().ConnString(), point)
		writer, err := intake.New(pool, journal.New(pool))
		if err != nil {
			t.Fatal(err)
		}
		// An error says that the database is gone. Then nothing is confirmed.
		_, _ = writer.Write(t.Context(), bot, intake.Cast{bot}, []incoming.Update{u})
		reached()
		if _, err := successor.Write(t.Context(), bot, intake.Cast{bot}, []incoming.Update{u}); err != nil {
			t.Fatal(err)
		}
		if lines, prompts := len(s.heard(chat)), len(s.prompts(chat)); lines != i+1 || prompts != i+1 {
			t.Fatalf("%d messages and %d prompts after a listener died %s, want %d", lines, prompts, point, i+1)
		}
	}
}

// TestCommandsOfTheDeadAreAnsweredOnce kills listeners before and after each statement of
// the answer to a command. Another listener answers it once.
func TestCommandsOfTheDeadAreAnsweredOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	s.metrics = nil
	successor := s.make(t, silent{})
	_, points, _ := killpoint.Listener()
	for i, point := range points {
		chat, _ := s.chat(world.Supergroup, "Here")
		s.exec(`INSERT INTO commands (chat_id, message, bot_id, person_id, anonymous, name, argument, said_at) VALUES ($1, 1, $2, 42, false, 'about', '', now())`,
			chat, s.bots[0])
		doomed := s.in(t)
		var reached func()
		doomed.pool, reached = killpoint.Pool(t, s.pool.Config().ConnString(), point)
		// Its error, if any, says that the database is gone.
		_ = doomed.make(t, silent{}).Commands(t.Context())
		reached()
		s.exec(`UPDATE commands SET next_at = now()`) // the dead listener's claim has ended
		if err := successor.Commands(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := value[int](s, `SELECT count(*) FROM turns JOIN deliveries USING (chat_id, turn_no) WHERE kind = 'command' AND lane = 'command'`); n != i+1 {
			t.Fatalf("%d answers after a listener died %s, want %d", n, point, i+1)
		}
	}
}

// TestAnErasureOutlivesACrash kills an erasure before and after each statement. A retry, or
// Resume, completes it.
func TestAnErasureOutlivesACrash(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	chat, _ := s.chat(world.Supergroup, "Here")
	_, _, points := killpoint.Listener()
	j := journal.New(s.pool)
	successor := people.Erasure{Pool: s.pool, Journal: j}
	for i, point := range points {
		person := int64(1000 + i)
		s.exec(`INSERT INTO people (telegram_id, name) VALUES ($1, $2)`, person, nickname)
		s.exec(`
WITH said AS (INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES ($1, $2, $3, now()) RETURNING number)
INSERT INTO prompts (chat_id, message, person_id, addressed_bots, happened_at, heard_at) SELECT $1, number, $2, '{}', now(), now() FROM said`,
			chat, person, "Who has a "+marker+"?")
		s.sent(j, s.says(j, s.plans(j, chat, s.bots[0], 0), nickname+" has a "+marker, true))
		until := time.Now().Add(time.Second)
		pool, reached := killpoint.Pool(t, s.pool.Config().ConnString(), point)
		doomed := people.Erasure{Pool: pool, Journal: journal.New(pool)}
		// Its error, if any, says that the database is gone.
		_ = doomed.Forget(t.Context(), person, until)
		reached()
		begun := value[bool](s, `SELECT EXISTS (SELECT FROM forgotten WHERE person_id = $1)`, person)
		if begun && value[int](s, `SELECT count(*) FROM messages WHERE person_id = $1`, person) != 0 {
			t.Errorf("what they wrote is left after a death %s", point)
		}
		again := func(ctx context.Context) error { return successor.Forget(ctx, person, until) } // the command is retried
		if begun {
			again = func(ctx context.Context) error { return successor.Resume(ctx, -time.Minute) }
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
	// An erasure that fails repeatedly comes first and doesn't stop the others.
	s.exec(`INSERT INTO forgotten (person_id, at, marks) VALUES (-1, now() - interval '2 hours', '[]'), (-2, now() - interval '1 hour', '{}')`)
	if err := successor.Resume(t.Context(), time.Minute); err == nil {
		t.Error("an erasure that can't be read has succeeded")
	}
	testenv.Eventually(t, "the other is done", func() (string, bool) {
		left := value[int](s, `SELECT count(*) FROM forgotten WHERE marks IS NOT NULL`)
		return fmt.Sprint(left), left == 1
	})
}
