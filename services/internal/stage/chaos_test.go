package stage_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

func nop() *zap.Logger { return zap.NewNop() }

// chaos holds the probabilities of faults, in percent.
type chaos struct {
	seed                        uint64
	processes, chats, rows      int
	inFlight                    int
	ringsLost, statements, work int
	kills, stops                bool
}

func draw(r *rapid.T) chaos {
	return chaos{
		seed:      rapid.Uint64().Draw(r, "seed"),
		processes: rapid.IntRange(1, 3).Draw(r, "processes"), chats: rapid.IntRange(1, 8).Draw(r, "chats"), rows: rapid.IntRange(1, 60).Draw(r, "rows"),
		inFlight:  rapid.IntRange(1, 4).Draw(r, "in flight"),
		ringsLost: rapid.IntRange(0, 50).Draw(r, "rings lost"), statements: rapid.IntRange(0, 30).Draw(r, "statements that fail"), work: rapid.IntRange(0, 30).Draw(r, "work that fails"),
		kills: rapid.Bool().Draw(r, "kills"), stops: rapid.Bool().Draw(r, "stops"),
	}
}

// Whatever fails, every row is done or becomes a dead letter exactly once, in its chat's
// order, by one process at a time.
func TestEveryRowIsDoneInOrderWhateverFails(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		c := draw(r)
		synctest.Test(t, c.play)
		if t.Failed() {
			r.Fatalf("with %+v", c)
		}
	})
}

func (c chaos) play(t *testing.T) {
	rows, b, w := newTable(), newBell(), newWatch()
	dice := random(c.seed)
	rows.fault = func(string) fault { // called with the table's lock
		if dice.IntN(100) >= c.statements {
			return none
		}
		return []fault{failed, answerLost}[dice.IntN(2)]
	}
	loses := random(c.seed + 1)
	b.lose = func() bool { return loses.IntN(100) < c.ringsLost } // called with the bell's lock
	begin := func(owner int) *process {
		return start(rows, owner, b, func(cfg *stage.Config) { cfg.MaxInFlight, cfg.MaxAttempts = c.inFlight, 1000 }, c.doing(rows, w, owner))
	}
	var processes, dead []*process
	owners := 0
	for range c.processes {
		owners++
		processes = append(processes, begin(owners))
	}
	events := random(c.seed + 2)
	for range c.rows {
		_ = pause(t.Context(), time.Duration(events.IntN(200))*time.Millisecond)
		chat := events.Int64N(int64(c.chats))
		rows.add(chat, 1)
		b.ring(chat)
		i := events.IntN(len(processes))
		switch p := processes[i]; {
		case c.kills && events.IntN(8) == 0:
			rows.mu.Lock()
			rows.alive[p.owner] = false
			rows.mu.Unlock()
			p.cancel()
			dead = append(dead, p)
			owners++
			processes[i] = begin(owners)
		case c.stops && events.IntN(8) == 0:
			p.stop()
			p.run()
		}
	}
	done(t, rows, 30*time.Minute)
	for _, p := range append(dead, processes...) {
		p.stop()
	}
	rows.look(func(chat int64, n int, r *row) {
		if r.finished+r.deadLettered != 1 || r.owner != 0 {
			t.Errorf("row %d of chat %d: %+v", n, chat, *r)
		}
	})
	w.check(t)
}

// doing returns a work that fails at times. Work of a dead process doesn't count.
func (c chaos) doing(rows *table, w *watch, owner int) stage.Work[*task, int] {
	dice := rand.New(rand.NewPCG(c.seed, uint64(owner)))
	roll := func(n int) int {
		rows.mu.Lock()
		defer rows.mu.Unlock()
		return dice.IntN(n)
	}
	return func(ctx context.Context, t *task) (int, error) {
		rows.mu.Lock()
		alive := rows.alive[owner]
		rows.mu.Unlock()
		if !alive || ctx.Err() != nil {
			return 0, context.Canceled
		}
		defer w.begin(t)()
		if err := pause(ctx, time.Duration(roll(300))*time.Millisecond); err != nil {
			return 0, err
		}
		if roll(100) >= c.work {
			return 0, nil
		}
		switch roll(5) {
		case 0:
			return 0, fail.AsUnavailable(errors.New("it is away"))
		case 1, 2:
			return 0, stage.Later(time.Now().Add(time.Duration(roll(10_000)) * time.Millisecond))
		case 3:
			return 0, fail.AsPermanent(errors.New("never"))
		}
		return 0, errors.New("no")
	}
}
