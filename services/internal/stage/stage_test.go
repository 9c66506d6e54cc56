package stage_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

// bubble runs a test with a fake clock.
func bubble(t *testing.T, play func(t testing.TB)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { play(t) })
}

func TestARefusedRowEndsAloneAsADeadLetter(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b := newTable(), newBell()
		for chat := range int64(6) {
			rows.add(chat, 3)
		}
		rows.rows[2][1].refused = true
		p := start(rows, 1, b, nil, func(ctx context.Context, _ *task) (int, error) { return 0, pause(ctx, 100*time.Millisecond) })
		defer p.stop()
		b.ring(0, 1, 2, 3, 4, 5)
		done(t, rows, 2*time.Second)
		rows.look(func(chat int64, n int, r *row) {
			if r.dead != r.refused {
				t.Errorf("row %d of chat %d: dead %v", n, chat, r.dead)
			}
		})
	})
}

// The row is inserted after the commit has read the chat's rows.
func TestARingDuringACommitIsNotForgotten(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b := newTable(), newBell()
		rows.blind = true
		rows.add(7, 1)
		p := start(rows, 1, b, nil, func(context.Context, *task) (int, error) { return 0, nil })
		defer p.stop()
		added := false
		rows.committed = func() {
			if !added {
				added = true
				rows.add(7, 1)
				p.Want(7)
			}
		}
		b.ring(7)
		done(t, rows, time.Second)
	})
}

func TestALostRingIsFoundBySweeps(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows := newTable()
		p := start(rows, 1, newBell(), nil, func(context.Context, *task) (int, error) { return 0, nil })
		defer p.stop()
		_ = pause(t.Context(), time.Minute)
		rows.add(7, 3)
		done(t, rows, 16*time.Second)
	})
}

func TestALongChatDoesNotStarveOthers(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b, w := newTable(), newBell(), newWatch()
		rows.add(1, 200)
		var before int
		p := start(rows, 1, b, func(c *stage.Config) { c.MaxInFlight = 1 }, func(ctx context.Context, task *task) (int, error) {
			defer w.begin(task)()
			if task.chat == 2 {
				before = w.count()
			}
			return 0, pause(ctx, 10*time.Millisecond)
		})
		defer p.stop()
		b.ring(1)
		_ = pause(t.Context(), 50*time.Millisecond)
		rows.add(2, 1)
		p.Want(2)
		done(t, rows, 10*time.Second)
		if before == 0 || before > 25 {
			t.Errorf("the other chat's row was number %d", before)
		}
		w.check(t)
	})
}

func TestAStopGivesEverythingBack(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b, w := newTable(), newBell(), newWatch()
		for chat := range int64(6) {
			rows.add(chat, 2)
		}
		p := start(rows, 1, b, func(c *stage.Config) { c.MaxInFlight = 4 }, func(ctx context.Context, task *task) (int, error) {
			defer w.begin(task)()
			<-ctx.Done()
			return 0, errors.New("the connection was closed") // the outcome is unknown
		})
		b.ring(0, 1)
		_ = pause(t.Context(), time.Second)
		rows.slow(2 * time.Second)
		p.Want(2, 3) // the process stops during this claim
		_ = pause(t.Context(), time.Second)
		p.stop()
		if n := w.count(); n < 2 {
			t.Errorf("%d were worked on", n)
		}
		rows.look(func(chat int64, n int, r *row) {
			if r.owner != 0 || r.attempts != 0 || r.dead {
				t.Errorf("row %d of chat %d after the stop: %+v", n, chat, *r)
			}
		})
	})
}

func TestItCanBeRunAgain(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b := newTable(), newBell()
		p := start(rows, 1, b, nil, func(ctx context.Context, _ *task) (int, error) { return 0, pause(ctx, 100*time.Millisecond) })
		for range 3 {
			rows.add(1, 5)
			b.ring(1)
			_ = pause(t.Context(), 250*time.Millisecond)
			p.stop()
			p.run()
		}
		defer func() { p.stop() }()
		done(t, rows, 5*time.Second)
	})
}

func TestAWaitIsKept(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b := newTable(), newBell()
		rows.add(1, 2)
		until := time.Now().Add(time.Hour)
		var at time.Time
		attempts := 0
		p := start(rows, 1, b, nil, func(_ context.Context, task *task) (int, error) {
			if task.number == 0 && time.Now().Before(until) {
				return 0, stage.Later(until)
			}
			if at.IsZero() {
				at, attempts = time.Now(), task.attempts
			}
			return 0, nil
		})
		defer p.stop()
		b.ring(1)
		for range 100 { // rings during the work
			_ = pause(t.Context(), 10*time.Second)
			b.ring(1)
		}
		done(t, rows, 2*time.Hour)
		if late := at.Sub(until); late < 0 || late > 100*time.Millisecond {
			t.Errorf("it was done %v after its time", late)
		}
		if attempts != 0 {
			t.Errorf("it counts %d attempts", attempts)
		}
	})
}

func TestSweepsRestWhenNothingIsOpen(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b := newTable(), newBell()
		p := start(rows, 1, b, nil, func(context.Context, *task) (int, error) { return 0, stage.Later(time.Now().Add(time.Hour)) })
		defer p.stop()
		swept := func() int {
			rows.mu.Lock()
			defer rows.mu.Unlock()
			before := rows.sweeps
			rows.mu.Unlock()
			_ = pause(t.Context(), 10*time.Minute)
			rows.mu.Lock()
			return rows.sweeps - before
		}
		if n := swept(); n > 41 {
			t.Errorf("with nothing open, there were %d sweeps in 10 minutes", n)
		}
		rows.add(1, 1)
		b.ring(1)
		if n := swept(); n < 590 {
			t.Errorf("with a row that waits, there were %d sweeps in 10 minutes", n)
		}
	})
}

func TestWorkAndRingsAreBounded(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b, w := newTable(), newBell(), newWatch()
		for chat := range int64(500) {
			rows.add(chat, 1)
			b.ring(chat)
		}
		p := start(rows, 1, b, nil, func(ctx context.Context, task *task) (int, error) {
			defer w.begin(task)()
			return 0, pause(ctx, 100*time.Millisecond)
		})
		defer p.stop()
		done(t, rows, 30*time.Second)
		p.stop()
		if w.maxInFlight != 8 {
			t.Errorf("%d were worked on at a time, want 8", w.maxInFlight)
		}
		for _, n := range b.asked {
			if n < 1 || n > 8 {
				t.Errorf("it asked for %d rings", n)
			}
		}
		if b.acks != 500 {
			t.Errorf("%d of 500 rings were acknowledged", b.acks)
		}
		w.check(t)
	})
}

func TestWhatOnlyFailsIsADeadLetter(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		calls int
	}{
		"transient":   {errors.New("no"), 5},
		"permanent":   {fail.AsPermanent(errors.New("never")), 1},
		"no shutdown": {context.Canceled, 5}, // the process isn't stopping
	} {
		for _, wait := range []time.Duration{0, time.Second, time.Hour} { // in place, and stored in the row
			t.Run(name+wait.String(), func(t *testing.T) {
				bubble(t, func(t testing.TB) {
					rows, b, w := newTable(), newBell(), newWatch()
					rows.add(1, 2)
					p := start(rows, 1, b, func(c *stage.Config) { c.MaxWait = wait }, func(_ context.Context, task *task) (int, error) {
						defer w.begin(task)()
						if task.number == 0 {
							return 0, test.err
						}
						return 0, nil
					})
					defer p.stop()
					b.ring(1)
					done(t, rows, 2*time.Minute)
					if !rows.rows[1][0].dead || !rows.rows[1][1].done {
						t.Error("the first is no dead letter, or the second was not done")
					}
					if n := w.count() - 1; n != test.calls {
						t.Errorf("%d attempts, want %d", n, test.calls)
					}
					p.stop()
					if n := p.told.Load(); n != 2 {
						t.Errorf("told of %d ends, want that of the dead letter and of the other", n)
					}
				})
			})
		}
	}
}

// Failures because a dependency is down don't count as attempts.
func TestAnOutageUsesUpNoAttempts(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b := newTable(), newBell()
		rows.add(1, 1)
		back := time.Now().Add(20 * time.Minute)
		p := start(rows, 1, b, nil, func(context.Context, *task) (int, error) {
			if time.Now().Before(back) {
				return 0, fail.AsUnavailable(errors.New("it is away"))
			}
			return 0, nil
		})
		defer p.stop()
		b.ring(1)
		done(t, rows, 21*time.Minute)
		if r := rows.rows[1][0]; r.dead || r.attempts != 0 {
			t.Errorf("it is %+v", *r)
		}
	})
}

func TestAPanicIsADeadLetter(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b := newTable(), newBell()
		rows.add(1, 2)
		p := start(rows, 1, b, nil, func(_ context.Context, task *task) (int, error) {
			if task.number == 0 {
				panic("a bad row")
			}
			return 0, nil
		})
		defer p.stop()
		b.ring(1)
		done(t, rows, time.Second)
		if !rows.rows[1][0].dead || !rows.rows[1][1].done {
			t.Error("the first is no dead letter, or the second was not done")
		}
	})
}

// A statement succeeded and its response was lost: the process doesn't know that it has the
// row.
func TestAClaimWhoseAnswerWasLostIsFound(t *testing.T) {
	for _, what := range []string{"claim", "commit", "sweep"} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t testing.TB) {
				rows, b, w := newTable(), newBell(), newWatch()
				lost := false
				rows.fault = func(of string) fault {
					if of != what || lost || of == "sweep" && rows.rows[1] == nil {
						return none
					}
					lost = true
					return answerLost
				}
				p := start(rows, 1, b, nil, func(ctx context.Context, task *task) (int, error) {
					defer w.begin(task)()
					return 0, pause(ctx, 100*time.Millisecond)
				})
				defer p.stop()
				rows.add(1, 2)
				if what == "sweep" {
					rows.mu.Lock()
					rows.rows[1][0].owner = 9 // the owner is dead
					rows.mu.Unlock()
				}
				b.ring(1)
				done(t, rows, 45*time.Second)
				w.check(t)
				if !lost {
					t.Error("no answer was lost")
				}
			})
		})
	}
}

// A process stalls until another one takes its row over and dies in turn. The row then
// comes back while the first work on it still runs.
func TestARowThatComesBackIsNotDoneTwiceAtATime(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b, w := newTable(), newBell(), newWatch()
		rows.add(1, 3)
		p := start(rows, 1, b, nil, func(_ context.Context, task *task) (int, error) {
			defer w.begin(task)()
			if w.count() == 1 {
				rows.mu.Lock()
				r := rows.rows[1][0]
				r.owner, r.fence = 2, r.fence+1
				rows.mu.Unlock()
				_ = pause(t.Context(), 10*time.Second) // ignores its context
			}
			return 0, nil
		})
		defer p.stop()
		b.ring(1)
		done(t, rows, 20*time.Second)
		w.check(t)
	})
}

func TestNothingIsClaimedWithoutALease(t *testing.T) {
	bubble(t, func(t testing.TB) {
		rows, b := newTable(), newBell()
		rows.alive[1] = true
		rows.add(1, 1)
		held := false
		p := &process{Stage: stage.New(
			stage.Config{Name: "test", MaxInFlight: 1, MaxAttempts: 1, Lease: leaseTime}, client{rows, 1},
			stage.Deps{Rings: b, Holds: func() bool { return held }, Log: nop()},
			func(context.Context, *task) (int, error) { return 0, nil })}
		p.run()
		b.ring(1)
		_ = pause(t.Context(), time.Minute)
		if rows.left() == 0 {
			t.Error("it was done")
		}
		p.stop()
		held = true
		p.run()
		defer func() { p.stop() }()
		done(t, rows, 16*time.Second)
	})
}
