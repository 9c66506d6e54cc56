package sender_test

import (
	"testing"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/sender"
)

// A wait that Telegram asked for is kept without Redis, in the chat's other lane, by
// a sender that did not hear of it, after the one that did has ended.
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
	// Nothing else is held back: not the bot elsewhere, not another bot.
	s.becomes(s.react(quick, quickSaid, "👍", chorusv1.Fallback_FALLBACK_UNSPECIFIED), "delivered closed")
	s.called("setMessageReaction", "reacted 200")
}

// A wait that is sat out is kept, too.
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

// Waits in two chats within the window hold the bot back everywhere, whichever
// senders got them, for the longest of their times; later ones don't, and other bots
// never are held back.
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
