package sender_test

import (
	"testing"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/sender"
)

// A wait that Telegram demanded holds without Redis, in the chat's other lane, for another
// sender, after the one that received it has ended.
func TestAWaitOutlivesItsSender(t *testing.T) {
	s := newFixture(t)
	other := s.newBot("other")
	chat, said := s.chat("club", world.Supergroup, s.bot, other)
	quick, quickSaid := s.chat("quick", world.Supergroup)
	s.fault("sendMessage:429:retry_after=20:count=1")
	s.becomes(s.say(chat, "hello"), "open waiting parked")
	s.called("sendMessage", "none 429")
	s.stop()
	s.run(sender.DefaultConfig())
	s.becomes(s.react(chat, said, "👍", chorusv1.Fallback_FALLBACK_UNSPECIFIED), "open waiting parked")
	s.called("setMessageReaction")
	// The bot in other chats and other bots aren't held back.
	s.becomes(s.react(quick, quickSaid, "👍", chorusv1.Fallback_FALLBACK_UNSPECIFIED), "delivered closed")
	s.called("setMessageReaction", "reacted 200")
}

// A wait within the process is stored, too.
func TestAShortWaitOutlivesItsSender(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	s.fault("sendMessage:429:retry_after=3:count=1")
	began := time.Now()
	s.say(chat, "hello")
	s.eventually("it got a 429", func() (string, bool) { return "", len(s.calls("sendMessage")) == 1 })
	s.eventually("that is written down", func() (string, bool) {
		return "", s.one(`SELECT count(*) FROM waits`) == 1 && s.one(`SELECT count(*) FROM deliveries WHERE state = 'sending'`) == 0
	})
	s.stop()
	s.run(sender.DefaultConfig())
	s.becomes(s.react(chat, said, "👍", chorusv1.Fallback_FALLBACK_UNSPECIFIED), "delivered closed")
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("it was called after %v, and was to wait for 3s", took)
	}
}

// Waits in two chats within the window hold the bot back everywhere, until the later end,
// whichever senders received them. Later waits don't, and other bots aren't held back.
func TestWaitsOfTwoSendersHoldTheBotBack(t *testing.T) {
	s := newFixture(t)
	ben := s.newBot("ben")
	third, said := s.chat("third", world.Supergroup)
	bens, _ := s.chat("bens", world.Supergroup, ben)
	for _, w := range []struct {
		bot, chat int64
		length    time.Duration
	}{{s.bot, 101, 50 * time.Second}, {s.bot, 102, 10 * time.Second}, {ben, 101, time.Minute}} {
		if err := s.journal.Wait(t.Context(), w.bot, w.chat, w.length, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	s.exec(`UPDATE waits SET at = now() - interval '6 seconds' WHERE bot_id = $1`, ben)
	if err := s.journal.Wait(t.Context(), ben, 102, time.Minute, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if n := s.one(`SELECT extract(epoch FROM max(until) - now())::int FROM waits WHERE chat_id = 0`); n < 40 || n > 50 {
		t.Errorf("the bot waits everywhere for %d s, want about 50", n)
	}
	s.becomes(s.react(third, said, "👍", chorusv1.Fallback_FALLBACK_UNSPECIFIED), "open waiting parked")
	s.becomes(s.say(bens, "not held back", func(turn *chorusv1.Turn) { turn.BotId = ben }), "delivered closed")
}
