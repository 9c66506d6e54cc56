package journal_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// fixture is a journal with a chat and two bots.
type fixture struct {
	*journal.Journal

	t         testing.TB
	pool      *pgxpool.Pool
	chat, bot int64
	last      map[int64]int64 // the last turn's number, by chat
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	if test, ok := t.(*testing.T); ok {
		test.Parallel()
	}
	pool := journaltest.Open(t)
	f := &fixture{Journal: journal.New(pool), t: t, pool: pool, bot: journaltest.Bot(t, pool, "anna"), last: map[int64]int64{}}
	f.chat = journaltest.Chat(t, pool, "club", f.bot)
	return f
}

// process starts a process that holds its lease, and returns its claims.
func (f *fixture) process() (claims journal.Claims, die func()) {
	f.t.Helper()
	l := lease.New(f.pool, lease.Sender, testenv.Logger(f.t))
	die = testenv.Background(f.t, l.Run)
	testenv.Eventually(f.t, "it lives", func() (string, bool) { return "", l.Held() })
	return journal.Claims{Owner: l.Owner(), Lease: time.Minute}, die
}

// turn returns a chat's next turn.
func (f *fixture) turn(chat int64, kind chorusv1.TurnKind) *chorusv1.Turn {
	f.last[chat]++
	t := journaltest.Turn(chat, f.last[chat], f.bot)
	if t.Kind = kind; kind != chorusv1.TurnKind_TURN_KIND_MESSAGE {
		t.TargetMessage = 1
	}
	return t
}

func (f *fixture) plan(all ...journal.Planned) {
	f.t.Helper()
	err := pgx.BeginFunc(f.t.Context(), f.pool, func(tx pgx.Tx) error { return f.Plan(f.t.Context(), tx, all) })
	if err != nil {
		f.t.Fatal(err)
	}
}

// message plans a turn whose text is to be written.
func (f *fixture) message(chat int64) *chorusv1.Turn {
	f.t.Helper()
	t := f.turn(chat, chorusv1.TurnKind_TURN_KIND_MESSAGE)
	f.plan(journal.Planned{Turn: t})
	return t
}

// reaction plans a turn with its delivery.
func (f *fixture) reaction(chat int64) *chorusv1.Turn {
	f.t.Helper()
	t := f.turn(chat, chorusv1.TurnKind_TURN_KIND_REACTION)
	f.plan(journal.Planned{Turn: t, Delivery: journaltest.Reaction(t, "👍", chorusv1.Fallback_FALLBACK_UNSPECIFIED)})
	return t
}

// write writes a text of several messages for a chat's next turn.
func (f *fixture) write(c journal.Claims, chat int64, parts ...string) {
	f.t.Helper()
	texts := f.Texts(c)
	u := one(f.t, must(f.t, texts.Claim, []int64{chat}))
	w := journal.Written{}
	for _, text := range parts {
		w.Deliveries = append(w.Deliveries, journaltest.Message(u.Turn, text))
	}
	if _, err := texts.Commit(f.t.Context(), []stage.End[*journal.Unwritten, journal.Written]{{Task: u, Result: w, Last: true}}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.pool.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatal(err)
	}
}

// ask returns a query's single value as text.
func (f *fixture) ask(sql string, args ...any) string {
	f.t.Helper()
	var answer any
	if err := f.pool.QueryRow(f.t.Context(), sql, args...).Scan(&answer); err != nil {
		f.t.Fatal(err)
	}
	return fmt.Sprint(answer)
}

func (f *fixture) state(t *chorusv1.Turn) string {
	f.t.Helper()
	state, err := journaltest.State(f.t.Context(), f.pool, t.GetId())
	if err != nil {
		f.t.Fatal(err)
	}
	return state
}

func must[I, O any](t testing.TB, do func(context.Context, I) (O, error), in I) O {
	t.Helper()
	out, err := do(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func one[T any](t testing.TB, all []T) T {
	t.Helper()
	if len(all) != 1 {
		t.Fatalf("%d are claimed, want 1", len(all))
	}
	return all[0]
}

type (
	writing = stage.End[*journal.Unwritten, journal.Written]
	sending = stage.End[*journal.Unsent, journal.Sent]
)

func delivered(id int64) journal.Sent {
	return journal.Sent{
		Outcome: chorusv1.Outcome_OUTCOME_DELIVERED,
		Message: &journal.Message{TelegramID: id, Text: "hello", At: timestamppb.Now().AsTime()},
	}
}

// sweep runs a sweep of a process that works on the chats in mine.
func sweep[O any](t testing.TB, do func(context.Context, int, []int64) (O, error), mine ...int64) O {
	t.Helper()
	return must(t, func(ctx context.Context, limit int) (O, error) { return do(ctx, limit, append([]int64{}, mine...)) }, 10)
}
