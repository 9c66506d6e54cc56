package sender_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/sender"
)

// hiccups makes the database fail the first n matching updates of a table.
func (s *fixture) hiccups(n int, table, when string) {
	s.exec(`CREATE SEQUENCE hiccups`)
	s.exec(fmt.Sprintf(`CREATE FUNCTION hiccup() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF nextval('hiccups') <= %d THEN RAISE EXCEPTION 'the database has a hiccup'; END IF; RETURN NEW; END $$`, n))
	s.exec(fmt.Sprintf(`CREATE TRIGGER hiccup BEFORE UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION hiccup()`, table, when))
}

const released = `OLD.state = 'sending' AND NEW.state IN ('claimed', 'waiting')`

// However often the database fails after a call, its result is stored. The sender never
// takes its own claim for a dead owner's.
func TestAHiccupAfterACallLosesNothing(t *testing.T) {
	for name, test := range map[string]struct{ fault, table, when string }{
		"a 429":          {"sendMessage:429:retry_after=1:count=1", "deliveries", released},
		"nothing sent":   {"sendMessage:409:Conflict:count=1", "deliveries", released},
		"an upgrade":     {"", "chats", `OLD.telegram_id <> NEW.telegram_id`},
		"it was refused": {"sendMessage:400:message to be replied not found:count=1", "deliveries", released},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, func(c *sender.Config) { c.ShortWait = 5 * time.Second })
			kind := world.Supergroup
			if name == "an upgrade" {
				kind = world.Group
			}
			chat, said := s.chat("club", kind)
			if kind == world.Group {
				s.upgrade(chat)
				said = 0
			}
			s.hiccups(3, test.table, test.when)
			if test.fault != "" {
				s.fault(test.fault)
			}
			s.becomes(s.reply(chat, said, "hello"), "delivered closed")
		})
	}
}

func (s *fixture) upgrade(chat int64) {
	s.t.Helper()
	var id int64
	if err := s.pool.QueryRow(s.t.Context(), `SELECT telegram_id FROM chats WHERE id = $1`, chat).Scan(&id); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.telegram.World().Upgrade(id); err != nil {
		s.t.Fatal(err)
	}
}

// A dead owner's delivery is taken over though its bot has to wait.
func TestAnOrphanIsTakenOverThoughItsBotIsHeldBack(t *testing.T) {
	s := newFixture(t, func(c *sender.Config) { c.BreakerFailures, c.BreakerDelay = 1, time.Minute })
	chat, _ := s.chat("club", world.Supergroup)
	other, _ := s.chat("other", world.Supergroup)
	s.fault("sendMessage:reset_after:count=1")
	s.becomes(s.say(other, "it opens the breaker"), "unknown closed")
	turn := s.turn(chat)
	orphan := journaltest.Message(turn, "was it said?")
	s.plan(journal.Planned{Turn: turn, Delivery: orphan})
	s.claim(4711, journal.LaneMessage, chat)
	s.becomes(orphan, "unknown closed")
}
