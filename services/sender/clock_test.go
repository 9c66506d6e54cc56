package sender_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// A process' clock may be wrong by more than a turn's lifetime. Expiry, deferral and all
// stored times follow the database's clock.
func TestAWrongClockOfTheProcessChangesNothing(t *testing.T) {
	s := newFixture(t)
	for name, ahead := range journaltest.Skews() {
		s.stop()
		s.now = journaltest.Now(t, s.pool, ahead)
		s.run(s.cfg)
		chat, _ := s.chat(name, world.Supergroup)
		s.becomes(s.say(chat, "too late", func(turn *chorusv1.Turn) {
			ago := time.Now().Add(-time.Minute)
			turn.PlannedAt, turn.DueAt, turn.ExpiresAt = timestamppb.New(ago), timestamppb.New(ago), timestamppb.New(ago.Add(59*time.Second))
		}), "expired closed")
		good := s.say(chat, "in time")
		s.becomes(good, "delivered closed")
		s.agree(good)

		limited, _ := s.chat(name+"-limited", world.Supergroup)
		s.fault("sendMessage:429:retry_after=20:count=1")
		parked := s.say(limited, "parked")
		s.becomes(parked, "open waiting parked")
		var left time.Duration
		if err := s.pool.QueryRow(t.Context(), `SELECT not_before - now() FROM deliveries WHERE chat_id = $1`, limited).Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left > 21*time.Second || left < 10*time.Second {
			t.Errorf("%s: it is parked for another %v, want 20s", name, left)
		}
	}
	s.called("sendMessage", "sent 200", "none 429", "sent 200", "none 429")
}

// agree checks the stored times of a sent message.
func (s *fixture) agree(d *chorusv1.Delivery) {
	s.t.Helper()
	var closed, sent time.Time
	err := s.pool.QueryRow(s.t.Context(), `
SELECT d.closed_at, m.sent_at FROM deliveries d JOIN messages m USING (chat_id, turn_no) WHERE d.chat_id = $1 AND d.turn_no = $2`,
		d.GetId().GetChatId(), d.GetId().GetNumber()).Scan(&closed, &sent)
	if err != nil {
		s.t.Fatal(err)
	}
	if off := closed.Sub(sent); off < 0 || off > 2*time.Second { // Telegram's times are in whole seconds
		s.t.Errorf("it ended %v after it was sent", off)
	}
}
