package planner_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/planner"
)

// Whatever a clock does between two commits that it must not do ends up in a
// table.
const recordFaults = `
CREATE TABLE faults (what text);
CREATE FUNCTION record_fault() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.turn_no NOT IN (OLD.turn_no, OLD.turn_no + 1) THEN
        INSERT INTO faults VALUES (format('clock of chat %s: turn %s after %s', NEW.chat_id, NEW.turn_no, OLD.turn_no));
    END IF;
    IF NEW.next_turn_at < OLD.next_turn_at THEN
        INSERT INTO faults VALUES (format('clock of chat %s: %s after %s', NEW.chat_id, NEW.next_turn_at, OLD.next_turn_at));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER record_fault BEFORE UPDATE ON chat_clock FOR EACH ROW EXECUTE FUNCTION record_fault();`

// crowd is many chats that talk as fast as they can.
func crowd(s *stage, n int) fixed {
	s.t.Helper()
	chats(s, n)
	s.exec(`UPDATE bots SET hourly_max = 1200`)
	return given(s.t, "scale_factor", "100", "min_gap", `"0s"`, "max_msgs_per_min", "60", "max_unwritten_turns", "100")
}

// intact checks that each chat has each number once, up to its clock's.
func (s *stage) intact() {
	s.t.Helper()
	if gaps := one[int](s, `
SELECT count(*) FROM chat_clock k
WHERE k.turn_no <> (SELECT count(*) FROM turns t WHERE t.chat_id = k.chat_id)
   OR k.turn_no <> (SELECT coalesce(max(turn_no), 0) FROM turns t WHERE t.chat_id = k.chat_id)`); gaps != 0 {
		s.t.Errorf("%d chats have gaps in their turns, or a clock of its own mind", gaps)
	}
	if bare := one[int](s, `
SELECT count(*) FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no) WHERE (t.kind = 'reaction') <> (d.chat_id IS NOT NULL)`); bare != 0 {
		s.t.Errorf("%d reactions have no delivery, or messages have one", bare)
	}
}

// TestKilledPlannersLeaveNoTrace cuts planners off from the database before or
// after any statement, two at a time on the same chats, fifty times.
func TestKilledPlannersLeaveNoTrace(t *testing.T) {
	s := newStage(t, "anna", "ben", "clara", "dora", "emil", "frida")
	s.exec(recordFaults)
	values := crowd(s, 120)
	for _, chat := range []int64{1, 2, 3, 4, 5} {
		s.says(chat, 0, "What a lovely evening", time.Second) // something to react to
	}
	const kills = 50
	var killed atomic.Int64
	var stages sync.Map // statements before or after which a planner died
	var planners sync.WaitGroup
	for p := range 2 {
		random := rand.New(rand.NewPCG(18, uint64(p)))
		planners.Go(func() {
			for killed.Load() < kills && t.Context().Err() == nil {
				s.killOne(values, 1+random.IntN(30), &stages)
				killed.Add(1)
			}
		})
	}
	planners.Wait()
	places := 0
	stages.Range(func(any, any) bool { places++; return true })
	if places < 10 {
		t.Errorf("planners died in %d places only", places)
	}
	before := one[int](s, `SELECT count(*) FROM turns`)
	_, stop := s.plan(s.deps(values, noBus{}))
	s.until("a planner goes on where they left off", func() bool { return one[int](s, `SELECT count(*) FROM turns`) > before+100 })
	stop()
	s.intact()
	if faults := one[string](s, `SELECT coalesce(string_agg(what, E'\n'), '') FROM faults`); faults != "" {
		t.Error(faults)
	}
}

// killOne runs a planner until its n-th statement, before or after which the
// database is lost to it for good.
func (s *stage) killOne(values fixed, n int, places *sync.Map) {
	deps, dead := s.doomed(values, 2*n, places)
	_, stop := s.plan(deps, func(cfg *planner.Config) { cfg.Batch = 20 })
	select {
	case <-dead:
	case <-time.After(patience):
		s.t.Error("a planner does nothing")
	}
	stop()
}

// doomed is what a planner works with whose database is lost to it for good at
// its n-th step, that is before or after a statement. Dead is closed then.
func (s *stage) doomed(values fixed, n int, places *sync.Map) (deps planner.Deps, dead chan struct{}) {
	s.t.Helper()
	link := testenv.Proxy(s.t, s.pool.Config().ConnString())
	dead = make(chan struct{})
	var mu sync.Mutex
	left, last := n, ""
	step := func(sql string) {
		mu.Lock()
		defer mu.Unlock()
		when := "before "
		if sql == "" {
			when, sql = "after ", last
		}
		last = sql
		if left--; left == 0 {
			link.Cut()
			places.Store(when+sql, true)
			close(dead)
		}
	}
	deps = s.deps(values, noBus{})
	deps.Pool = watched(s.t, link.URL(), step, step)
	return deps, dead
}

// TestKilledAnswersAreGivenOnce cuts a planner off at each step of an answer,
// before or after any statement, and hands what it was at to another one.
func TestKilledAnswersAreGivenOnce(t *testing.T) {
	s := newStage(t, "anna", "ben")
	s.exec(recordFaults)
	s.exec(`UPDATE bots SET hourly_max = 1200`)
	chat := silent(s, "club")[0]
	values := given(t, "max_unwritten_turns", "100", "max_msgs_per_min", "60")
	heir := planner.New(planner.DefaultConfig(), s.deps(values, noBus{}))
	var places sync.Map
	for n, whole := 1, false; !whole; n++ {
		deps, dead := s.doomed(values, n, &places)
		u := s.question(chat, "What do you think?")
		err := planner.New(planner.DefaultConfig(), deps).Answer(t.Context(), u)
		select {
		case <-dead:
		default:
			whole = err == nil
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := heir.Answer(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		if answers := one[int](s, `SELECT count(*) FROM turns WHERE target_message = $1`, u.GetMessage()); answers != 1 {
			t.Fatalf("the question has %d answers after its planner died at step %d", answers, n)
		}
		s.exec(`UPDATE turns SET planned_at = planned_at - interval '10 minutes', due_at = due_at - interval '10 minutes'`)
	}
	steps := 0
	places.Range(func(any, any) bool { steps++; return true })
	t.Logf("a planner died at each of %d steps", steps)
	if steps < 20 {
		t.Errorf("planners died at %d steps only", steps)
	}
	s.intact()
	if faults := one[string](s, `SELECT coalesce(string_agg(what, E'\n'), '') FROM faults`); faults != "" {
		t.Error(faults)
	}
}
