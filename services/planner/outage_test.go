package planner_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/planner"
)

// soon is how fast a bus that is back must have the open turns: two seconds,
// twice that where the tests of all packages share a small machine.
const soon = 4 * time.Second

// published counts the open turns that the bus holds.
func (s *stage) published(b *bus.Bus) (open, held int) {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `
SELECT chat_id, turn_no, publication, coalesce(bus_sequence, 0) FROM turns WHERE kind <> 'reaction' AND closed_at IS NULL AND expires_at > now()`)
	if err != nil {
		s.t.Fatal(err)
	}
	var want []bus.Stored
	var chat, number, sequence int64
	var publication int
	if _, err := pgx.ForEachRow(rows, []any{&chat, &number, &publication, &sequence}, func() error {
		turn := &chorusv1.TurnId{ChatId: chat, Number: number}
		want = append(want, bus.Stored{Sequence: uint64(max(sequence, 1)), ID: subject.MessageID(turn, publication)})
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	found, err := b.Held(s.t.Context(), subject.Turns, want)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, ok := range found {
		if ok {
			held++
		}
	}
	return len(want), held
}

// lag is the 99th percentile of how late turns were planned since a time.
func (s *stage) lag(since time.Time) time.Duration {
	s.t.Helper()
	return time.Duration(one[float64](s, `
SELECT coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM planned_at - due_at)), 0)::float8
FROM turns WHERE planned_at > $1`, since) * float64(time.Second))
}

func (s *stage) now() time.Time { return one[time.Time](s, `SELECT clock_timestamp()`) }

// plansOn waits for as many more turns.
func (s *stage) plansOn(n int) {
	s.t.Helper()
	before := one[int](s, `SELECT count(*) FROM turns`)
	s.until("planning goes on", func() bool { return one[int](s, `SELECT count(*) FROM turns`) >= before+n })
}

// lively is chats that talk twenty times a second together, for as long as a
// test lasts.
func lively(s *stage) fixed {
	s.t.Helper()
	chats(s, 100)
	s.exec(`UPDATE bots SET hourly_max = 1200`)
	return given(s.t, "scale_factor", "0.2", "prime_hours_boost", "false", "min_gap", `"0s"`, "max_unwritten_turns", "100", "turn_ttl", `"1h"`)
}

func TestPlanningGoesOnWithoutABus(t *testing.T) {
	for name, c := range map[string]struct {
		// lose takes the bus away, back gives it back.
		lose, back func(*testenv.BusServer, *testenv.Link)
		wiped      bool
	}{
		"gone": {
			lose: func(server *testenv.BusServer, _ *testenv.Link) { server.Stop() },
			back: func(server *testenv.BusServer, _ *testenv.Link) { server.Start() },
		},
		"wiped": {
			lose: func(server *testenv.BusServer, _ *testenv.Link) {
				server.Stop()
				server.Wipe()
			},
			back:  func(server *testenv.BusServer, _ *testenv.Link) { server.Start() },
			wiped: true,
		},
		"frozen": {
			lose: func(_ *testenv.BusServer, link *testenv.Link) { link.Freeze() },
			back: func(_ *testenv.BusServer, link *testenv.Link) { link.Restore() },
		},
		"cut off": {
			lose: func(_ *testenv.BusServer, link *testenv.Link) { link.Cut() },
			back: func(_ *testenv.BusServer, link *testenv.Link) { link.Restore() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna", "ben", "clara")
			direct, server := busServer(t)
			link := testenv.Proxy(t, server.URL())
			cfg := bus.DefaultConfig()
			cfg.URL = link.URL()
			distant, err := bus.Connect(t.Context(), cfg, testenv.Logger(t), t.Name())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(distant.Close)

			p, _ := s.plan(s.deps(lively(s), distant))
			s.hurried(p, distant)
			s.plansOn(20)
			c.lose(server, link)
			lost := s.now()
			s.plansOn(60)
			// Who waited for the bus would be far later.
			if late := s.lag(lost); late > time.Second {
				t.Errorf("without a bus turns are planned %v late", late)
			}
			// One of those that were not published is over.
			s.exec(`
UPDATE turns SET expires_at = clock_timestamp() WHERE (chat_id, turn_no) IN (
    SELECT chat_id, turn_no FROM turns WHERE published_at IS NULL AND kind <> 'reaction' ORDER BY planned_at LIMIT 1)`)
			c.back(server, link)
			if c.wiped {
				s.until("the connection is back", func() bool { return direct.Ready(t.Context()) == nil && distant.Ready(t.Context()) == nil })
				if err := direct.Declare(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			s.until("the bus is back", func() bool { return direct.Ready(t.Context()) == nil })
			began, before := time.Now(), s.now()
			s.eventually("all open turns are published", `
SELECT NOT EXISTS (SELECT FROM turns WHERE kind <> 'reaction' AND planned_at < $1 AND expires_at > now() AND published_at IS NULL)`, before)
			s.until("the bus holds them", func() bool {
				open, held := s.published(direct)
				return held >= open-20 // those planned this very moment
			})
			took := time.Since(began)
			t.Logf("the open turns are on the bus %v after it is back", took.Round(time.Millisecond))
			if took > soon {
				t.Errorf("the open turns are on the bus after %v, want at most %v", took, soon)
			}
			if name != "frozen" && one[int](s, `SELECT count(*) FROM turns WHERE published_at > expires_at`) > 0 {
				t.Error("a turn was published after its time")
			}
		})
	}
}

// hurried tells a planner when the bus is back.
func (s *stage) hurried(p *planner.Planner, b *bus.Bus) {
	testenv.Background(s.t, func(ctx context.Context) error {
		for {
			select {
			case <-b.Restored():
				p.Hurry()
			case <-ctx.Done():
				return nil
			}
		}
	})
}
