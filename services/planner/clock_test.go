package planner_test

import (
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/planner"
)

// Planners use the database's clock, however wrong their process' clock is.
func TestAWrongClockOfTheProcessChangesNothing(t *testing.T) {
	s := newStage(t, "anna", "ben")
	skews := journaltest.Skews()
	skews["day-ahead"], skews["day-behind"] = 24*time.Hour, -24*time.Hour
	for name, ahead := range skews {
		deps := s.deps(given(t), nil)
		deps.Now = journaltest.Now(t, s.pool, ahead)
		p := planner.New(planner.DefaultConfig(), deps)
		chat := silent(s, name)[0]
		s.answers(p, s.question(chat, "What do you think of the ending?"))
		if !one[bool](s, `SELECT coalesce(bool_and(planned_at BETWEEN now() - interval '5 seconds' AND now() AND expires_at > now()), false) FROM turns WHERE chat_id = $1`, chat) {
			t.Errorf("%s: the question is not answered, or at another time", name)
		}
	}
}
