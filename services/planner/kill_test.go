package planner_test

import (
	"sync"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/lab/killpoint"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/planner"
)

// A trigger records every forbidden change of a clock in a table.
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

// crowd creates many chats that talk as fast as possible.
func crowd(s *stage, n int) fixed {
	s.t.Helper()
	chats(s, n)
	s.exec(`UPDATE bots SET hourly_max = 1200`)
	return given(s.t, "scale_factor", "100", "min_gap", `"0s"`, "max_msgs_per_min", "60", "max_unwritten_turns", "100")
}

// intact checks that each chat has each turn number once, up to its clock's.
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

// doomed returns the dependencies of a planner that dies at a point.
func (s *stage) doomed(values fixed, point string) (deps planner.Deps, reached func()) {
	s.t.Helper()
	deps = s.deps(values, nil)
	deps.Pool, reached = killpoint.Pool(s.t, s.pool.Config().ConnString(), point)
	return deps, reached
}

func (s *stage) faultless() {
	s.t.Helper()
	s.intact()
	if faults := one[string](s, `SELECT coalesce(string_agg(what, E'\n'), '') FROM faults`); faults != "" {
		s.t.Error(faults)
	}
}

// TestKilledPlannersLeaveNoTrace disconnects planners from the database before and after
// each statement of a batch. Two planners work on the same chats.
func TestKilledPlannersLeaveNoTrace(t *testing.T) {
	s := newStage(t, "anna", "ben", "clara", "dora", "emil", "frida")
	s.exec(recordFaults)
	values := crowd(s, 120)
	s.exec(`INSERT INTO people (telegram_id, name) VALUES (1, 'Tom')`)
	s.exec(`INSERT INTO messages (chat_id, person_id, body, sent_at) SELECT id, 1, 'What a lovely evening', now() FROM chats`) // to react to
	all, _, _ := killpoint.Planner()
	points := make(chan string, len(all))
	for _, p := range all {
		points <- p
	}
	close(points)
	var planners sync.WaitGroup
	for range 2 {
		planners.Go(func() {
			for point := range points {
				// The next planner finds the unsent turns.
				s.exec(`UPDATE turns SET outcome = 'expired', closed_at = now(), written_at = now() WHERE closed_at IS NULL AND turn_no % 2 = 0`)
				deps, reached := s.doomed(values, point)
				_, stop := s.plan(deps, quickly, func(cfg *planner.Config) { cfg.Batch = 20 })
				reached()
				stop()
			}
		})
	}
	planners.Wait()
	s.exec(`UPDATE turns SET outcome = 'expired', closed_at = now(), written_at = now() WHERE closed_at IS NULL`) // a chat waits while texts are late
	before := one[int](s, `SELECT count(*) FROM turns`)
	_, stop := s.plan(s.deps(values, nil))
	s.until("a planner goes on where they left off", func() bool { return one[int](s, `SELECT count(*) FROM turns`) > before+100 })
	stop()
	s.faultless()
}

// TestKilledAnswersAreGivenOnce disconnects a planner before and after each statement of an
// answer to two people. Another planner completes it.
func TestKilledAnswersAreGivenOnce(t *testing.T) {
	s := newStage(t, "anna", "ben")
	s.exec(recordFaults)
	s.exec(`UPDATE bots SET hourly_max = 1200`)
	chat := silent(s, "club")[0]
	values := given(t, "max_unwritten_turns", "100", "max_msgs_per_min", "60", "max_answers_per_hour", "0", "joint_answer_probability", "1")
	heir := planner.New(planner.DefaultConfig(), s.deps(values, nil))
	_, points, _ := killpoint.Planner()
	for _, point := range points {
		deps, reached := s.doomed(values, point)
		q, other := s.question(chat, "What do you think?"), s.question(chat, "And of the ending?")
		// An error says that the database is gone.
		_, _ = planner.New(planner.DefaultConfig(), deps).Answer(t.Context(), q)
		reached()
		s.answers(heir, q, other)
		if both := one[int](s, `SELECT count(*) FROM answers WHERE message IN ($1, $2) AND NOT EXISTS (SELECT FROM prompts p WHERE p.message = $2)`,
			q.Message, other.Message); both != 2 {
			t.Errorf("%d of two people are answered after their planner died %s", both, point)
		}
		if answers := one[int](s, `SELECT count(*) FROM turns WHERE target_message = $1`, q.Message); answers != 1 {
			t.Errorf("the question has %d answers after its planner died %s", answers, point)
		}
		s.exec(`UPDATE turns SET planned_at = planned_at - interval '10 minutes', due_at = due_at - interval '10 minutes'`)
	}
	s.faultless()
}

// TestPromptsOfTheDeadAreTakenOver kills planners around the statements of the prompts'
// stage. Other planners answer the claimed prompts, each once.
func TestPromptsOfTheDeadAreTakenOver(t *testing.T) {
	_, _, points := killpoint.Planner()
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			s := newStage(t, "anna", "ben")
			b, server := busServer(t)
			q := s.question(silent(s, "club")[0], "What do you think?")
			deps, reached := s.doomed(given(t), point)
			deps.Bus, deps.Lease = connect(t, server.URL()), lease.New(s.pool, lease.Planner, deps.Log)
			expire := testenv.Background(t, deps.Lease.Run)
			s.until("the planner is seen to live", deps.Lease.Held)
			_, stop := s.plan(deps)
			b.Ring(bus.Prompts(), q.ChatID)
			reached()
			expire()
			s.plan(s.answering(given(t), b))
			s.eventually("the prompt is done with", `SELECT NOT EXISTS (SELECT FROM prompts)`)
			stop()
			if answers := one[int](s, `SELECT count(*) FROM turns`); answers != 1 {
				t.Errorf("%d answers, want 1", answers)
			}
		})
	}
}
