package planner_test

import (
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/planner"
)

// Limits count messages that were sent or may still be sent, and no others, whatever their
// outcome.
func TestWhatWasNotSaidCountsAgainstNoLimit(t *testing.T) {
	for name, c := range map[string]struct {
		outcome string // the outcome of the turn
		parts   string // the outcomes of its messages
		counts  int    // how many of two limits count it
	}{
		"open":                             {"", "", 2},
		"delivered":                        {"delivered", "delivered", 2},
		"sent instead":                     {"fell_back", "fell_back", 2},
		"nobody knows":                     {"unknown", "unknown", 2},
		"its text was of no use":           {"rejected", "", 0},
		"Telegram refused it":              {"rejected", "rejected", 0},
		"its time was over":                {"expired", "", 0},
		"its time was over before a call":  {"expired", "expired", 0},
		"dead":                             {"dead", "dead", 0},
		"nothing to add":                   {"passed", "", 0},
		"its second message was refused":   {"rejected", "delivered rejected", 2},
		"what became of its first is open": {"expired", "unknown expired", 2},
		"its first was refused, the rest went with it": {"rejected", "rejected rejected", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna", "ben")
			chat := silent(s, "club")[0]
			s.exec(`UPDATE bots SET hourly_max = 2`)
			values := given(t, open("max_msgs_per_min", "2", "max_msgs_per_day", "2", "global_max_msgs_per_min", "2", "max_answers_per_hour", "2",
				"person_max_answers_per_hour", "2")...)
			p := planner.New(planner.DefaultConfig(), s.deps(values, nil))
			s.answers(p, by(s.question(chat, "What do you think?"), 1), by(s.question(chat, "And of the ending?"), 1))
			if n := one[int](s, `SELECT count(*) FROM turns`); n != 2 {
				t.Fatalf("%d turns are planned", n)
			}
			for i, outcome := range strings.Fields(c.parts) {
				s.exec(`
INSERT INTO deliveries (chat_id, turn_no, part, bot_id, action, lane, payload, traceparent, expires_at, state, outcome, closed_at)
SELECT chat_id, turn_no, $1, bot_id, 'send_message', 'message', '', '', expires_at, 'closed', $2, now() FROM turns`, i+1, outcome)
			}
			if c.outcome != "" {
				s.exec(`UPDATE turns SET outcome = $1, closed_at = now(), written_at = now()`, c.outcome)
			}
			for range 2 { // the second call finds nothing to do
				if _, err := journal.New(s.pool).Uncount(t.Context(), 100); err != nil {
					t.Fatal(err)
				}
			}
			now, err := planner.Look(t.Context(), s.pool, values.Current(), 0, "club")
			if err != nil {
				t.Fatal(err)
			}
			in, ofBots := now.Input, 0
			for i := range in.Cast {
				ofBots += in.Cast[i].LastHour
			}
			for what, n := range map[string]int{
				"the chat's minute": in.ChatLastMinute, "the chat's day": in.ChatToday, "the minute of all": in.GlobalLastMinute,
				"the bots' hour": ofBots, "the chat's answers": in.ChatAnswers,
				"the person's answers": one[int](s, `SELECT count(*) FROM answers WHERE person_id = 1`),
			} {
				if n != c.counts {
					t.Errorf("%s has %d, want %d", what, n, c.counts)
				}
			}
			// The next person is answered, or isn't.
			s.answers(p, by(s.question(chat, "And of the beginning?"), 1))
			if n := one[int](s, `SELECT count(*) FROM turns`) - 2; n != 1-c.counts/2 {
				t.Errorf("%d more are answered", n)
			}
		})
	}
}

// A running planner finds unsent messages, even if no turn is open any more.
func TestAPlannerTakesBackWhatWasNotSaid(t *testing.T) {
	s := newStage(t, "anna")
	chat := silent(s, "club")[0]
	values := given(t, open()...)
	p, stop := s.plan(s.deps(values, nil), quickly)
	defer stop()
	for i := range 2 {
		s.answers(p, by(s.question(chat, "What do you think?"), int64(i+1)))
		s.exec(`UPDATE turns SET outcome = 'rejected', closed_at = now(), written_at = now() WHERE closed_at IS NULL`)
		s.eventually("the chat has room again", `SELECT texts = 0 FROM chat_clock WHERE chat_id = $1`, chat)
	}
}
