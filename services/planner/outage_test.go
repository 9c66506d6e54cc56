package planner_test

import (
	"testing"
	"time"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// lag returns the 99th percentile of the delay of turns planned since a time.
func (s *stage) lag(since time.Time) time.Duration {
	s.t.Helper()
	return time.Duration(one[float64](s, `
SELECT coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM planned_at - due_at)), 0)::float8
FROM turns WHERE planned_at > $1`, since) * float64(time.Second))
}

func (s *stage) now() time.Time { return one[time.Time](s, `SELECT clock_timestamp()`) }

// plansOn waits for n more turns.
func (s *stage) plansOn(n int) {
	s.t.Helper()
	before := one[int](s, `SELECT count(*) FROM turns`)
	s.until("planning goes on", func() bool { return one[int](s, `SELECT count(*) FROM turns`) >= before+n })
}

// lively creates chats that together talk twenty times a second during the whole test.
func lively(s *stage) fixed {
	s.t.Helper()
	chats(s, 100)
	s.exec(`UPDATE bots SET hourly_max = 1200`)
	return given(s.t, "scale_factor", "0.2", "prime_hours_boost", "false", "min_gap", `"0s"`, "max_unwritten_turns", "100", "turn_ttl", `"1h"`)
}

func TestPlanningGoesOnWithoutABus(t *testing.T) {
	for name, c := range map[string]struct {
		// lose disconnects the bus, back reconnects it.
		lose, back func(*testenv.BusServer, *testenv.Link)
	}{
		"wiped": {
			lose: func(server *testenv.BusServer, _ *testenv.Link) {
				server.Stop()
				server.Wipe()
			},
			back: func(server *testenv.BusServer, _ *testenv.Link) { server.Start() },
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
			_, server := busServer(t)
			link := testenv.Proxy(t, server.URL())
			cfg := bus.DefaultConfig()
			cfg.URL = link.URL()
			distant, err := bus.Connect(t.Context(), cfg, testenv.Logger(t), t.Name())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(distant.Close)

			s.plan(s.deps(lively(s), distant))
			s.plansOn(20)
			c.lose(server, link)
			lost := s.now()
			s.plansOn(60)
			// A planner that waits for the bus would be far later.
			if late := s.lag(lost); late > time.Second {
				t.Errorf("without a bus turns are planned %v late", late)
			}
			c.back(server, link)
			ringing(t, server.URL(), subject.Text)(0) // any chat
		})
	}
}
