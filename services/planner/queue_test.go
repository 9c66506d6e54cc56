package planner_test

import (
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/planner"
)

// While texts are late, prompts wait. Beyond the limit the oldest prompts end without an
// answer, and are counted.
func TestPeopleWaitInAQueueThatForgetsTheOldest(t *testing.T) {
	s := newStage(t, "anna")
	b, _ := busServer(t)
	chat := silent(s, "club")[0]
	s.turns(chat, s.bots[0], 1, "message", time.Second, true) // its text is not written yet
	var asked []*journal.Prompt
	for range 5 {
		asked = append(asked, s.question(chat, "And then?"))
	}
	s.plan(s.answering(given(t, "max_unwritten_turns", "1", "max_waiting_prompts", "3", "joint_answer_probability", "0"), b))
	b.Ring(bus.Prompts(), chat)
	s.eventually("the first two are forgotten", `SELECT coalesce(sum(prompts), 0) = 2 FROM prompt_skips WHERE reason = 'forgotten'`)
	if n := one[int](s, `SELECT count(*) FROM prompts WHERE message >= $1`, asked[2].Message); n != 3 {
		t.Errorf("%d wait, want 3", n)
	}
	s.exec(`UPDATE turns SET written_at = now()`)
	s.eventually("the next is answered", `SELECT EXISTS (SELECT FROM turns WHERE target_message = $1)`, asked[2].Message)
}

// A prompt that waited for the lifetime of a turn ends with a reason.
func TestNobodyWaitsForLongerThanATurn(t *testing.T) {
	s := newStage(t, "anna")
	chat := silent(s, "club")[0]
	s.turns(chat, s.bots[0], 1, "message", time.Second, true)
	q := s.question(chat, "And then?")
	q.HappenedAt = time.Now().Add(-3 * time.Minute)
	s.answers(planner.New(planner.DefaultConfig(), s.deps(given(t, "max_unwritten_turns", "1"), nil)), q)
	if n := one[int](s, `SELECT coalesce(sum(prompts), 0) FROM prompt_skips WHERE reason = 'texts_behind'`); n != 1 {
		t.Errorf("%d are counted, want 1", n)
	}
}

func TestOneAnswerToTwoPeopleCountsForBoth(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		change        func(s *stage, second *journal.Prompt)
		joint         bool
	}{
		"two people":                     {"Which chapter?", "And the ending?", func(*stage, *journal.Prompt) {}, true},
		"one who asks whether it is one": {"Which chapter?", "Are you a bot?", func(*stage, *journal.Prompt) {}, false},
		"after one who does":             {"Are you a bot?", "Which chapter?", func(*stage, *journal.Prompt) {}, false},
		"one who had as many as one may": {"Which chapter?", "And the ending?", func(s *stage, second *journal.Prompt) {
			s.exec(`INSERT INTO answers (chat_id, message, person_id) SELECT $1, -n, $2 FROM generate_series(1, 3) n`, second.ChatID, second.Person)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna", "ben")
			chat := silent(s, "club")[0]
			first, second := s.question(chat, c.first), s.question(chat, c.second)
			c.change(s, second)
			values := given(t, "joint_answer_probability", "1", "person_max_answers_per_hour", "3")
			s.answers(planner.New(planner.DefaultConfig(), s.deps(values, nil)), first)
			answers := one[int](s, `SELECT count(*) FROM answers WHERE message IN ($1, $2)`, first.Message, second.Message)
			waits := one[int](s, `SELECT count(*) FROM prompts WHERE message = $1`, second.Message)
			if joint := answers == 2 && waits == 0; joint != c.joint || answers+waits != 2 {
				t.Errorf("%d are answered, and %d of those behind wait", answers, waits)
			}
			s.intact()
		})
	}
}
