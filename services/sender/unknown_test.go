package sender_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

// What is done with a call of unknown outcome is decided for each kind by itself.
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
			s := newStage(t, func(c *sender.Config) { c.OnUnknown = test.policy })
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

// counting counts the looks at deliveries that came to their turn.
type counting struct {
	limit.Limiter
	n atomic.Int64
}

func (l *counting) Reserve(ctx context.Context, c limit.Call, most time.Duration) (limit.Verdict, error) {
	l.n.Add(1)
	return l.Limiter.Reserve(ctx, c, most)
}

// A sender that has lost the bus, and not the database, is not taken for dead in
// the midst of a call: its delivery and those behind it wait for what it writes.
func TestACallOfALivingSenderIsLeftToIt(t *testing.T) {
	s := newStage(t)
	s.stop()
	looks := &counting{Limiter: limit.NewLocal(time.Second, nil)}
	s.limits = looks
	s.run(sender.DefaultConfig())
	chat, _ := s.chat("club", world.Supergroup)
	turn := s.turn(chat)
	s.plan(journal.Planned{Turn: turn})
	d := journaltest.Message(turn, "in good hands")
	e, _, err := s.journal.Deliver(t.Context(), d, "")
	if err != nil {
		t.Fatal(err)
	}
	const cutOff = "a sender that is cut off"
	if err := s.journal.Seen(t.Context(), cutOff); err != nil {
		t.Fatal(err)
	}
	claim, _, err := s.journal.Claim(t.Context(), d.GetId(), cutOff)
	if claim == nil || err != nil {
		t.Fatal(claim, err)
	}
	s.publish(e)
	behind := s.say(chat, "after it")
	testenv.Eventually(t, "the sender has looked at it repeatedly", func() (string, bool) {
		n := looks.n.Load()
		return strconv.FormatInt(n, 10), n > 1
	})
	s.becomes(d, "open sending")
	if _, err := s.journal.Finish(t.Context(), claim, &chorusv1.Receipt{
		Id: d.GetId(), BotId: d.GetBotId(), Outcome: chorusv1.Outcome_OUTCOME_DELIVERED, PlannedAt: d.GetPlannedAt(),
	}, &journal.Sent{TelegramID: 4711, Text: "in good hands", At: time.Now()}); err != nil {
		t.Fatalf("it was taken away: %v", err)
	}
	s.becomes(behind, "delivered closed")
	s.becomes(d, "delivered closed")
	s.called("sendMessage", "sent 200")

	// One that it has forgotten is an orphan all the same: it claimed it without
	// its knowing, and lost the message.
	turn = s.turn(chat)
	s.plan(journal.Planned{Turn: turn})
	forgotten := journaltest.Message(turn, "forgotten")
	if e, _, err = s.journal.Deliver(t.Context(), forgotten, ""); err != nil {
		t.Fatal(err)
	}
	if claim, _, err = s.journal.Claim(t.Context(), forgotten.GetId(), cutOff); claim == nil || err != nil {
		t.Fatal(claim, err)
	}
	s.exec(`UPDATE deliveries SET claimed_at = claimed_at - interval '2 minutes' WHERE state = 'sending'`)
	s.exec(`UPDATE senders SET seen_at = now() + interval '1 hour' WHERE owner = $1`, cutOff)
	s.publish(e)
	s.becomes(forgotten, "unknown closed")
}
