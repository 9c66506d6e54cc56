package planner_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/planner"
)

// open returns settings under which only the limits on people's answers apply.
func open(more ...string) []string {
	return append([]string{"max_msgs_per_min", "60", "max_unwritten_turns", "100", "max_waiting_prompts", "100", "joint_answer_probability", "0"}, more...)
}

// asks makes several planners answer prompts at the same time.
func (s *stage) asks(values []string, prompts ...*journal.Prompt) {
	s.t.Helper()
	var asking sync.WaitGroup
	for part := range slices.Chunk(prompts, max((len(prompts)+3)/4, 1)) {
		p := planner.New(planner.DefaultConfig(), s.deps(given(s.t, values...), nil))
		asking.Go(func() { s.answers(p, part...) })
	}
	asking.Wait()
}

// by changes the author of a prompt.
func by(q *journal.Prompt, person int64) *journal.Prompt {
	q.Person = person
	return q
}

// The answers that people can cause are limited, however they ask.
func TestAnswersToPeopleAreLimited(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		ask      func(s *stage) []*journal.Prompt
		answers  int
		reason   string // why the others got none
	}{
		"one person, by default": {open(), func(s *stage) (all []*journal.Prompt) {
			chat := silent(s, "club")[0]
			for i := range 30 {
				q := by(s.question(chat, fmt.Sprintf("What do you think of chapter %d?", i)), 1)
				if i%2 == 1 { // mentions and questions alternate
					q.AddressedBots = s.bots
				}
				all = append(all, q)
			}
			return all
		}, 20, "person_limit"},
		"one person in many chats": {open("person_max_answers_per_hour", "3"), func(s *stage) (all []*journal.Prompt) {
			for _, chat := range silent(s, "a", "b", "c", "d", "e", "f", "g", "h") {
				all = append(all, by(s.question(chat, "And here?"), 1))
			}
			return all
		}, 3, "person_limit"},
		"many people in one chat": {open("max_answers_per_hour", "5", "person_max_answers_per_hour", "2"), func(s *stage) (all []*journal.Prompt) {
			chat := silent(s, "club")[0]
			for i := range int64(12) {
				all = append(all, by(s.question(chat, "And me?"), i+1))
			}
			return all
		}, 5, "answer_limit"},
		"people without an id": {open("person_max_answers_per_hour", "1"), func(s *stage) (all []*journal.Prompt) {
			chat := silent(s, "club")[0]
			return []*journal.Prompt{by(s.question(chat, "Who?"), 0), by(s.question(chat, "Who?"), 0)}
		}, 1, "person_limit"},
		"a channel that writes": {open("person_max_answers_per_hour", "1"), func(s *stage) (all []*journal.Prompt) {
			chat := silent(s, "club")[0]
			return []*journal.Prompt{by(s.question(chat, "Who?"), -1001234567890), by(s.question(chat, "Who?"), -1001234567890)}
		}, 1, "person_limit"},
		"a day's messages": {open("max_msgs_per_day", "4", "person_max_answers_per_hour", "0", "max_answers_per_hour", "0"), func(s *stage) (all []*journal.Prompt) {
			chat := silent(s, "club")[0]
			for range 7 {
				all = append(all, s.question(chat, "And then?"))
			}
			return all
		}, 4, "day_limit"},
		"without limits": {open("max_msgs_per_day", "0", "person_max_answers_per_hour", "0", "max_answers_per_hour", "0"), func(s *stage) (all []*journal.Prompt) {
			chat := silent(s, "club")[0]
			for range 25 {
				all = append(all, s.question(chat, "And then?"))
			}
			return all
		}, 25, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna", "ben")
			s.exec(`UPDATE bots SET hourly_max = 1000`)
			asked := c.ask(s)
			s.asks(c.settings, asked...)
			if n := one[int](s, `SELECT count(*) FROM turns`); n != c.answers {
				t.Errorf("%d of %d prompts are answered, want %d", n, len(asked), c.answers)
			}
			skipped := one[int](s, `SELECT coalesce(sum(prompts), 0) FROM prompt_skips WHERE reason = $1`, c.reason)
			if want := len(asked) - c.answers; skipped != want {
				t.Errorf("%d are counted as %s, want %d", skipped, c.reason, want)
			}
			s.intact()
		})
	}
}

// A limit ends when the counted answers are older than an hour. A prompt that is handled
// again isn't counted again.
func TestALimitOfPeopleEnds(t *testing.T) {
	s := newStage(t, "anna")
	chat := silent(s, "club")[0]
	values := open("person_max_answers_per_hour", "2")
	first := by(s.question(chat, "One?"), 1)
	s.asks(values, first)
	s.asks(values, first, by(s.question(chat, "Two?"), 1))
	s.asks(values, by(s.question(chat, "Three?"), 1))
	if n := one[int](s, `SELECT count(*) FROM turns`); n != 2 {
		t.Fatalf("%d answers, want 2", n)
	}
	s.exec(`UPDATE answers SET planned_at = planned_at - interval '61 minutes'`)
	s.asks(values, by(s.question(chat, "Four?"), 1))
	if n := one[int](s, `SELECT count(*) FROM turns`); n != 3 {
		t.Errorf("%d answers after an hour, want 3", n)
	}
}

// The daily limit counts the cast's own messages, too, and starts again at midnight UTC.
func TestADaysMessagesAreLimited(t *testing.T) {
	s := newStage(t, "anna", "ben")
	chat := s.chat("club")
	s.exec(`UPDATE chats SET mean_gap = '1 second'; UPDATE bots SET hourly_max = 1000`)
	s.plan(s.deps(given(t, open("max_msgs_per_day", "3", "min_gap", `"0s"`, "scale_factor", "100", "short_reaction_probability", "0")...), nil))
	s.eventually("three messages are planned and the chat rests", `
SELECT count(*) = 3 AND (SELECT next_turn_at > now() + interval '10 minutes' FROM chat_clock WHERE chat_id = $1) FROM turns WHERE chat_id = $1`, chat)
	s.exec(`UPDATE chat_clock SET texts_day = texts_day - 1, next_turn_at = now()`)
	s.eventually("another three are planned on the next day", `SELECT count(*) = 6 FROM turns WHERE chat_id = $1`, chat)
}
