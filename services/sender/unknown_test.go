package sender_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

// Each kind has its own rule for calls of unknown outcome.
func TestUnknownOutcomesByKind(t *testing.T) {
	for name, test := range map[string]struct {
		policy sender.OnUnknown
		want   [4]string // of a message, a reply, a fallback and a reaction
		sent   int
	}{
		"by default": {
			sender.DefaultConfig().OnUnknown,
			[4]string{"unknown closed", "unknown closed", "unknown closed", "delivered closed"},
			3,
		},
		"the other way": {
			sender.OnUnknown{Message: sender.Resend, Reply: sender.Resend, Fallback: sender.Resend, Reaction: sender.Drop},
			[4]string{"delivered closed", "delivered closed", "fell_back closed", "unknown closed"},
			6,
		},
		"replies only": {
			sender.OnUnknown{Message: sender.Drop, Reply: sender.Resend, Fallback: sender.Drop, Reaction: sender.Resend},
			[4]string{"unknown closed", "delivered closed", "unknown closed", "delivered closed"},
			4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, func(c *sender.Config) { c.OnUnknown = test.policy })
			chat, said := s.chat("club", world.Supergroup)
			const cut = "sendMessage:reset_after:count=1"
			s.fault(cut)
			s.becomes(s.say(chat, "a message"), test.want[0])
			s.fault(cut)
			s.becomes(s.reply(chat, said, "a reply"), test.want[1])
			s.fault(cut, "setMessageReaction:400:REACTION_INVALID")
			s.becomes(s.react(chat, said, "👍", emojiMessage), test.want[2])
			s.fault("setMessageReaction:reset_after:count=1")
			s.becomes(s.react(chat, said, "👍", emojiMessage), test.want[3])
			if n := len(s.calls("sendMessage")); n != test.sent {
				t.Errorf("%d messages were sent, want %d", n, test.sent)
			}
		})
	}
}

// A living sender keeps its call: the delivery and those behind it wait for its result,
// until its claim expires.
func TestACallOfALivingSenderIsLeftToIt(t *testing.T) {
	s := newFixture(t)
	s.stop()
	registry := prometheus.NewRegistry()
	s.stages = stage.NewMetrics(registry)
	chat, _ := s.chat("club", world.Supergroup)
	other := lease.New(s.pool, lease.Sender, testenv.Logger(t))
	testenv.Background(t, other.Run)
	s.eventually("the other lives", func() (string, bool) { return "", other.Held() })
	d := s.say(chat, "in good hands")
	rows, u := s.claim(other.Owner(), journal.LaneMessage, chat)
	behind := s.say(chat, "after it")
	s.run(s.cfg)
	s.eventually("the sender has looked for what nobody works on", func() (string, bool) {
		n := gathered(t, registry, "chorus_stage_open_tasks")
		return fmt.Sprint(n, " are open"), n == 2
	})
	s.becomes(d, "open sending")
	_, err := rows.Commit(t.Context(), []stage.End[*journal.Unsent, journal.Sent]{{Task: u, Last: true, Result: journal.Sent{
		Outcome: chorusv1.Outcome_OUTCOME_DELIVERED, Message: &journal.Message{TelegramID: 4711, Text: "in good hands", At: time.Now()},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	s.becomes(behind, "delivered closed")
	s.becomes(d, "delivered closed")
	s.called("sendMessage", "sent 200")

	s.stop()
	stood := s.say(chat, "it stands still")
	s.claim(other.Owner(), journal.LaneMessage, chat)
	s.exec(`UPDATE deliveries SET claimed_until = now() - interval '1 second' WHERE state = 'sending'`)
	s.run(s.cfg)
	s.becomes(stood, "unknown closed")
}

// gathered returns the sum of a metric's series.
func gathered(t testing.TB, from prometheus.Gatherer, name string) (sum int) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			sum += int(m.GetGauge().GetValue() + m.GetCounter().GetValue())
		}
	}
	return sum
}
