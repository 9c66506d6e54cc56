package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// quiet is a cast that doesn't talk by itself.
const quiet = `bots:
  - name: anna
    token: env:NOT_NEEDED_IN_THE_EMULATOR
    username: anna_of_tests_bot
    persona:
      display_name: Anna
      summary: Someone who is here to be tested.
chats:
  - name: club
    enabled: false
    cast: [anna]
`

// These are rings and rows that no service creates, but somebody might. Each row gets a
// visible outcome, and no process ends.
func TestOddRows(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cast.yaml")
	if err := os.WriteFile(file, []byte(quiet), 0o600); err != nil {
		t.Fatal(err)
	}
	servers := []string{"--nats.url", testenv.NATS(t), "--database.url", testenv.Postgres(t)}
	c := up(t, testenv.Folder(t), append(servers, "--cast", file, "--log.level", "error")...)
	pool, err := pgxpool.New(t.Context(), servers[3])
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := script{
		t: t, pool: pool, journal: journal.New(pool),
		chat: one[int64](t, pool, `SELECT id FROM chats`), bot: one[int64](t, pool, `SELECT id FROM bots`),
	}

	s.says("Hello.")
	s.becomes("delivered")
	s.says(strings.Repeat("long ", 1000))
	s.becomes("delivered", "rejected")
	s.plan(s.reaction("🧨"), "")
	s.becomes("delivered", "rejected", "fell_back")
	publish(t, servers[1], map[string]string{subject.Text: "no protobuf", subject.Message: "\xff\xff", subject.Reaction: ""})
	s.garbles(journal.Planned{Turn: s.turn()})
	said := s.turn()
	s.garbles(journal.Planned{Turn: said, Delivery: journaltest.Message(said, "Nobody can read this.")})
	s.garbles(s.reaction("👍"))
	eventually(t, "there are three dead letters", func() bool { return one[int](t, pool, `SELECT count(*) FROM dead_letters`) == 3 })
	if reasons := one[int](t, pool, `SELECT count(*) FROM dead_letters WHERE reason = ''`); reasons != 0 {
		t.Errorf("%d dead letters have no reason", reasons)
	}

	s.says("Still here.")
	s.becomes("delivered", "rejected", "fell_back", "dead", "dead", "dead", "delivered")
	texts := []string{}
	for _, call := range sent(callsOf(t, c.emulator(), control.Filter{})) {
		texts = append(texts, textOf(t, call))
	}
	if diff := cmp.Diff([]string{"Hello.", "🧨", "Still here."}, texts); diff != "" {
		t.Errorf("the chat heard something else: %s", diff)
	}
	ends(t, c)
	if log := c.errs.String(); strings.Count(log, `"dead letter"`) != 3 || strings.Count(log, "\n") != 3 {
		t.Errorf("want a line for each dead letter, got:\n%s", log)
	}
}

// script writes turns to the journal, like a planner and a generator.
type script struct {
	t       *testing.T
	pool    *pgxpool.Pool
	journal *journal.Journal

	chat, bot, last int64
}

func (s *script) turn() *chorusv1.Turn {
	s.last++
	return journaltest.Turn(s.chat, s.last, s.bot)
}

func (s *script) says(text string) {
	s.t.Helper()
	turn := s.turn()
	s.plan(journal.Planned{Turn: turn, Delivery: journaltest.Message(turn, text)}, "")
}

// reaction plans a reaction to the first message.
func (s *script) reaction(emoji string) journal.Planned {
	s.t.Helper()
	turn := s.turn()
	turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REACTION, one[int64](s.t, s.pool, `SELECT min(number) FROM messages`)
	return journal.Planned{Turn: turn, Delivery: journaltest.Reaction(turn, emoji, chorusv1.Fallback_FALLBACK_EMOJI_MESSAGE)}
}

// garbles plans a turn with an unreadable payload.
func (s *script) garbles(p journal.Planned) {
	s.t.Helper()
	table := "turns"
	if p.Delivery != nil {
		table = "deliveries"
	}
	s.plan(p, `UPDATE `+table+` SET payload = '\xff' WHERE chat_id = $1 AND turn_no = $2`)
}

// plan writes a turn without a ring, so that sweeps must find it.
func (s *script) plan(p journal.Planned, also string) {
	s.t.Helper()
	if err := store.InTx(s.t.Context(), s.pool, func(tx pgx.Tx) error {
		err := s.journal.Plan(s.t.Context(), tx, []journal.Planned{p})
		if err == nil && also != "" {
			_, err = tx.Exec(s.t.Context(), also, p.Turn.GetId().GetChatId(), p.Turn.GetId().GetNumber())
		}
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
}

// becomes waits until all turns have ended, and compares their outcomes.
func (s *script) becomes(want ...string) {
	s.t.Helper()
	eventually(s.t, "every turn has ended", func() bool {
		return one[int](s.t, s.pool, `SELECT count(*) FROM turns WHERE closed_at IS NULL`) == 0
	})
	got := one[[]string](s.t, s.pool, `SELECT array_agg(outcome ORDER BY turn_no) FROM turns`)
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("outcomes: %s", diff)
	}
}

// publish publishes unchecked payloads on the bus, by subject.
func publish(t *testing.T, url string, payloads map[string]string) {
	t.Helper()
	js := bustest.JetStream(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for to, payload := range payloads {
		if _, err := js.Publish(ctx, to, []byte(payload)); err != nil {
			t.Fatalf("publish on %s: %v", to, err)
		}
	}
}
