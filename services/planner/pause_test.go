package planner_test

import (
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/direct"
	"github.com/chorus-cast/chorus/services/internal/journal"
)

func (s *stage) director() *direct.Director {
	return &direct.Director{Pool: s.pool, Journal: journal.New(s.pool)}
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// During a pause nothing is planned, and planned turns are dropped. It ends by its time or
// by hand, and nothing else moves the clock.
func TestAPauseEndsByItselfAndByHand(t *testing.T) {
	const waits = `SELECT EXISTS (SELECT FROM chat_clock WHERE waiting_for = $1)`
	for name, c := range map[string]struct {
		chat, bot int // 1 is the stage's chat or bot
		want      string
	}{
		"a chat": {1, 0, "paused"}, "everything": {0, 0, "paused"}, "a bot in a chat": {1, 1, "muted"}, "a bot": {0, 1, "muted"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna")
			chat := s.chat("club") * int64(c.chat)
			bot := s.bots[0] * int64(c.bot)
			d := s.director()
			p, _ := s.plan(s.deps(given(t), nil))
			s.eventually("a turn is planned", `SELECT EXISTS (SELECT FROM turns)`)
			s.must(d.Pause(t.Context(), chat, bot, "Kim", 0))
			if n := one[int](s, `SELECT count(*) FROM turns WHERE closed_at IS NULL OR outcome <> 'expired' OR reason NOT LIKE '%by Kim'`); n != 0 {
				t.Errorf("%d turns are open, or ended otherwise", n)
			}
			before := one[int64](s, `SELECT turn_no FROM chat_clock`)
			s.exec(`UPDATE chat_clock SET next_turn_at = now()`)
			s.eventually("the chat waits", waits, c.want)
			p.Wake() // a change is no reason to speak
			s.exec(`UPDATE chat_clock SET next_turn_at = now()`)
			s.eventually("the chat waits again", `SELECT waiting_for = $1 AND next_turn_at > now() FROM chat_clock`, c.want)
			if after := one[int64](s, `SELECT turn_no FROM chat_clock`); after != before {
				t.Errorf("%d turns were planned during the pause", after-before)
			}
			s.must(d.Resume(t.Context(), chat, bot))
			p.Wake()
			s.eventually("a turn is planned again", `SELECT turn_no > $1 FROM chat_clock`, before)

			s.must(d.Pause(t.Context(), chat, bot, "Kim", time.Hour))
			s.exec(`UPDATE chat_clock SET next_turn_at = now()`)
			s.eventually("the chat waits for the end", waits, c.want)
			before = one[int64](s, `SELECT turn_no FROM chat_clock`)
			s.exec(`UPDATE pauses SET since = now() - interval '1 hour', until = now() + interval '300 milliseconds'`)
			s.exec(`UPDATE chat_clock SET next_turn_at = now()`)
			s.eventually("it has ended by itself", `SELECT turn_no > $1 AND waiting_for IS NULL FROM chat_clock`, before)
		})
	}
}

// A planner that has read a chat before a pause plans nothing after its start.
func TestAPlannerThatLookedBeforeAPausePlansNothingAfterIt(t *testing.T) {
	s := newStage(t, "anna")
	chat := s.chat("club")
	was := one[time.Time](s, `SELECT next_turn_at FROM chat_clock`)
	s.must(s.director().Pause(t.Context(), chat, 0, "Kim", 0))
	if is := one[time.Time](s, `SELECT next_turn_at FROM chat_clock`); is.Equal(was) {
		t.Error("the clock by which it looked still holds")
	}
}
