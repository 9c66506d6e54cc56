package journal_test

import (
	"fmt"
	"testing"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal"
)

// ended ends a delivery, and publishes its receipt.
func (s *scene) ended(d *chorusv1.Delivery, outcome chorusv1.Outcome) {
	s.t.Helper()
	e, err := s.Finish(s.t.Context(), s.claim(d, "me"), &chorusv1.Receipt{Id: d.GetId(), BotId: d.GetBotId(), Action: d.GetAction(), Outcome: outcome}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.Receipts().Published(s.t.Context(), []journal.Entry{e}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

func TestOldTurnsAreDeletedOnceNothingIsLeftToDo(t *testing.T) {
	s := newScene(t)
	s.ended(s.message(1), chorusv1.Outcome_OUTCOME_DELIVERED)
	s.ended(s.reaction(2), chorusv1.Outcome_OUTCOME_REJECTED)
	unpublished := s.message(3)
	if _, err := s.Abandon(t.Context(), &chorusv1.Receipt{Id: unpublished.GetId(), Outcome: chorusv1.Outcome_OUTCOME_EXPIRED}); err != nil {
		t.Fatal(err)
	}
	s.bury("replayable", s.message(4).GetId(), "DELIVERIES")
	s.bury("purged", s.message(5).GetId(), "DELIVERIES")
	s.exec(`DELETE FROM dead_letters WHERE id = 'purged'`)
	s.message(6) // open
	s.exec(`UPDATE turns SET due_at = due_at - interval '31 days', planned_at = planned_at - interval '31 days'`)
	s.ended(s.reaction(7), chorusv1.Outcome_OUTCOME_DELIVERED)

	for _, deletes := range []int64{2, 1, 0} {
		if n, err := s.DeleteOld(t.Context(), s.chat, 3); n != deletes || err != nil {
			t.Fatalf("deleted %d, %v, want %d", n, err, deletes)
		}
	}
	left := fmt.Sprint(s.count(`SELECT string_agg(turn_no::text, '' ORDER BY turn_no)::int FROM turns`))
	if left != "3467" {
		t.Errorf("turns %s are left, want 3, whose receipt is unpublished, 4, which can be replayed, 6, which is open, and 7, which is young", left)
	}
	for table, want := range map[string]int{"deliveries": 4, "receipts": 2} {
		if n := s.count(`SELECT count(*) FROM ` + table); n != want {
			t.Errorf("%d %s are left, want %d", n, table, want)
		}
	}
}
