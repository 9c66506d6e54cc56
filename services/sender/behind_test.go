package sender_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

// A message whose text was there first waits for the one before it, and takes
// nothing that this needs: no tokens, and no more than one look of its bot typing.
func TestWhatIsBehindTakesNothing(t *testing.T) {
	s := newStage(t)
	s.stop()
	taken := &counting{Limiter: limit.NewLocal(time.Second, nil)}
	s.limits = taken
	cfg := sender.DefaultConfig()
	cfg.Typing = false
	s.run(cfg)
	chat, _ := s.chat("club", world.Supergroup)
	first := s.turn(chat)
	s.plan(journal.Planned{Turn: first})
	second := s.say(chat, "the second")
	testenv.Eventually(t, "it was put off again and again", func() (string, bool) {
		n := s.one(`SELECT coalesce(max(publication), 0) FROM deliveries`)
		return fmt.Sprint(n), n >= 2
	})
	if n := taken.n.Load(); n != 1 {
		t.Errorf("it asked for tokens %d times, want once", n)
	}
	d := journaltest.Message(first, "the first")
	e, _, err := s.journal.Deliver(t.Context(), d, "")
	if err != nil {
		t.Fatal(err)
	}
	s.publish(e)
	s.becomes(d, "delivered closed")
	s.becomes(second, "delivered closed")
	if n := s.one(`SELECT count(*) FROM messages a, messages b WHERE a.body = 'the first' AND b.body = 'the second' AND a.sent_at <= b.sent_at`); n != 1 {
		t.Error("they were not sent in their order")
	}
}
