package journal_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func (f *fixture) drop(ctx context.Context, chat, bot int64) error {
	return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error { return f.Drop(ctx, tx, chat, bot, "paused") })
}

func (f *fixture) redact(ctx context.Context, ids ...*chorusv1.TurnId) error {
	said := make([]journal.Said, len(ids))
	for i, id := range ids {
		said[i] = journal.Said{Chat: id.GetChatId(), Turn: id.GetNumber()}
	}
	return f.Redact(ctx, said, "forgotten")
}

// A transaction that waits for a locked turn holds none of its deliveries, so the holder of
// the turn can lock them.
func TestTurnsAreLockedBeforeDeliveries(t *testing.T) {
	for name, c := range map[string]struct {
		died bool
		held bool
		do   func(context.Context, *fixture, journal.Claims, *journal.Unsent, *chorusv1.TurnId) error
	}{
		"drop": {do: func(ctx context.Context, f *fixture, _ journal.Claims, _ *journal.Unsent, _ *chorusv1.TurnId) error {
			return f.drop(ctx, 0, 0)
		}},
		"redact": {do: func(ctx context.Context, f *fixture, _ journal.Claims, _ *journal.Unsent, id *chorusv1.TurnId) error {
			return f.redact(ctx, id)
		}},
		"end": {do: func(ctx context.Context, f *fixture, _ journal.Claims, _ *journal.Unsent, id *chorusv1.TurnId) error {
			_, err := f.ExpireTurns(ctx, []*chorusv1.TurnId{id}, "by hand")
			return err
		}},
		"commit": {do: func(ctx context.Context, f *fixture, us journal.Claims, u *journal.Unsent, _ *chorusv1.TurnId) error {
			_, err := f.Deliveries(journal.LaneMessage, us).Commit(ctx, []sending{{Task: u, Result: delivered(1), Last: true}})
			return err
		}},
		"dead letter": {do: func(ctx context.Context, f *fixture, us journal.Claims, u *journal.Unsent, _ *chorusv1.TurnId) error {
			return f.Deliveries(journal.LaneMessage, us).DeadLetter(ctx, u, "broken")
		}},
		"replay": {died: true, do: func(ctx context.Context, f *fixture, _ journal.Claims, _ *journal.Unsent, id *chorusv1.TurnId) error {
			_, err := f.Replay(ctx, id, time.Minute)
			return err
		}},
		"approve": {held: true, do: func(ctx context.Context, f *fixture, _ journal.Claims, _ *journal.Unsent, id *chorusv1.TurnId) error {
			return f.Approve(ctx, f.held(id, f.version(id)), "", time.Minute)
		}},
		"discard": {held: true, do: func(ctx context.Context, f *fixture, _ journal.Claims, _ *journal.Unsent, id *chorusv1.TurnId) error {
			return f.Discard(ctx, f.held(id, f.version(id)))
		}},
		"rewrite": {held: true, do: func(ctx context.Context, f *fixture, _ journal.Claims, _ *journal.Unsent, id *chorusv1.TurnId) error {
			return f.Rewrite(ctx, f.held(id, f.version(id)), "Shorter.", time.Minute)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			us, _ := f.process()
			var u *journal.Unsent
			var id *chorusv1.TurnId
			if c.held {
				id = f.hold(us, "one", "two")
			} else {
				id = f.message(f.chat).GetId()
				f.write(us, f.chat, "one", "two")
				d := f.Deliveries(journal.LaneMessage, us)
				u = one(t, must(t, d.Claim, []int64{f.chat}))
				if err := d.Pause(t.Context(), u); err != nil {
					t.Fatal(err)
				}
				if c.died {
					if err := d.DeadLetter(t.Context(), u, "broken"); err != nil {
						t.Fatal(err)
					}
				}
			}
			holder, err := f.pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = holder.Rollback(context.Background()) }()
			if _, err := holder.Exec(t.Context(), `SELECT FROM turns FOR UPDATE`); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- c.do(t.Context(), f, us, u, id) }()
			testenv.Eventually(t, "it waits for the turn, or passes it over", func() (string, bool) {
				return "", len(done) > 0 || f.ask(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`) != "0"
			})
			if _, err := holder.Exec(t.Context(), `SELECT FROM deliveries FOR UPDATE NOWAIT`); err != nil {
				t.Errorf("it holds deliveries while it waits for their turn: %v", err)
			}
			if _, err := holder.Exec(t.Context(), `SELECT FROM dead_letters FOR UPDATE NOWAIT`); err != nil {
				t.Errorf("it holds dead letters while it waits for their turn: %v", err)
			}
			if err := holder.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// Concurrent changes of the same turns, in any order, cause no deadlock.
func TestOppositeChangesDontWaitForEachOther(t *testing.T) {
	const chats, rounds = 4, 25
	f := newFixture(t)
	us, _ := f.process()
	all := make([]int64, chats)
	for i := range all {
		all[i] = journaltest.Chat(t, f.pool, string(rune('a'+i)), f.bot)
	}
	texts, messages := f.Texts(us), f.Deliveries(journal.LaneMessage, us)
	for range rounds {
		var ids []*chorusv1.TurnId
		for _, chat := range all {
			for range 3 {
				ids = append(ids, f.message(chat).GetId())
			}
		}
		upset := append([]*chorusv1.TurnId{}, ids...)
		rand.Shuffle(len(upset), func(i, j int) { upset[i], upset[j] = upset[j], upset[i] })
		written, err := texts.Claim(t.Context(), all)
		for len(written) > 0 && err == nil {
			ends := make([]writing, len(written))
			for i, u := range written {
				ends[i] = writing{Task: u, Result: journal.Written{Deliveries: []*chorusv1.Delivery{journaltest.Message(u.Turn, "one"), journaltest.Message(u.Turn, "two")}}}
				if i%2 == 0 {
					ends[i].Result.Held = time.Now().Add(time.Hour)
				}
			}
			written, err = texts.Commit(t.Context(), ends)
		}
		if err != nil {
			t.Fatal(err)
		}
		claimed := must(t, messages.Claim, all)
		var doing sync.WaitGroup
		try := func(what string, do func(context.Context) error) {
			doing.Go(func() {
				if err := do(t.Context()); err != nil && !errors.Is(err, journal.ErrDecided) && !errors.Is(err, journal.ErrFenced) && !errors.Is(err, journal.ErrNoDeadLetter) {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		try("send", func(ctx context.Context) error {
			for len(claimed) > 0 {
				ends := make([]sending, len(claimed))
				for i, u := range claimed {
					if err := messages.Pause(ctx, u); err != nil {
						return err
					}
					ends[i] = sending{Task: u, Result: delivered(u.GetId().GetChatId()*1000 + u.GetId().GetNumber()*2 + int64(u.Part))}
				}
				var err error
				if claimed, err = messages.Commit(ctx, ends); err != nil {
					return err
				}
			}
			return nil
		})
		try("drop all", func(ctx context.Context) error { return f.drop(ctx, 0, 0) })
		try("drop a chat", func(ctx context.Context) error { return f.drop(ctx, all[0], 0) })
		try("drop a bot", func(ctx context.Context) error { return f.drop(ctx, 0, f.bot) })
		try("redact", func(ctx context.Context) error { return f.redact(ctx, upset...) })
		try("end", func(ctx context.Context) error { _, err := f.ExpireTurns(ctx, upset, "by hand"); return err })
		try("expire", func(ctx context.Context) error { _, err := f.Expire(ctx, 0, 100); return err })
		try("withdraw", func(ctx context.Context) error { return f.Withdraw(ctx, all, "forgotten") })
		try("decide", func(ctx context.Context) error {
			var errs []error
			for _, id := range upset {
				errs = append(errs, f.Approve(ctx, f.held(id, 1), "", time.Minute), f.Discard(ctx, f.held(id, 1)))
			}
			for _, err := range errs {
				if err != nil && !errors.Is(err, journal.ErrDecided) {
					return err
				}
			}
			return nil
		})
		doing.Wait()
		if t.Failed() {
			return
		}
	}
}
