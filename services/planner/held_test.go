package planner_test

import (
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/journal"
)

// A chat pauses while the maximum of texts waits for an operator. It continues when one of
// them is decided, or when texts need no approval any more.
func TestAChatRestsWhileTooManyTextsWait(t *testing.T) {
	for name, goOn := range map[string]func(s *stage, chat int64){
		"one is discarded": func(s *stage, chat int64) {
			s.must(journal.New(s.pool).Discard(s.t.Context(), journal.Held{Chat: chat, Turn: 1, By: "Kim"}))
		},
		"one expires": func(s *stage, _ int64) {
			s.exec(`UPDATE turns SET planned_at = now() - interval '1 hour', due_at = now() - interval '1 hour', expires_at = now() - interval '1 minute' WHERE turn_no = 1`)
			if _, err := journal.New(s.pool).Expire(s.t.Context(), time.Second, 10); err != nil {
				s.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "anna", "ben")
			chat := s.chat("club")
			s.turns(chat, s.bots[0], 2, "message", 10*time.Minute, true)
			s.exec(`UPDATE turns SET written_at = planned_at, expires_at = now() + interval '1 hour'`)
			s.exec(`
INSERT INTO deliveries (chat_id, turn_no, part, bot_id, action, lane, payload, expires_at, body)
SELECT chat_id, turn_no, 1, bot_id, 'send_message', 'held', '', expires_at, 'x' FROM turns`)
			p, _ := s.plan(s.deps(given(t, "approval", `"approve"`, "max_held_texts", "2"), nil))
			s.eventually("the chat waits", `SELECT waiting_for = 'approvals' AND next_turn_at > now() FROM chat_clock`)
			p.Wake()
			s.exec(`UPDATE chat_clock SET next_turn_at = now()`)
			s.eventually("the chat waits again", `SELECT waiting_for = 'approvals' AND next_turn_at > now() FROM chat_clock`)
			if n := one[int64](s, `SELECT turn_no FROM chat_clock`); n != 2 {
				t.Errorf("%d turns were planned meanwhile", n-2)
			}
			goOn(s, chat)
			s.exec(`UPDATE chat_clock SET next_turn_at = now()`)
			s.eventually("a turn is planned", `SELECT turn_no = 3 FROM chat_clock`)
		})
	}
}
