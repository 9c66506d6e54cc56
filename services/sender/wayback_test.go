package sender_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

func lookOften(cfg *sender.Config) { cfg.LookEvery = 20 * time.Millisecond }

// counts waits until a query returns a number.
func (s *fixture) counts(what string, want int, sql string) {
	s.t.Helper()
	testenv.Eventually(s.t, what, func() (string, bool) {
		n := s.one(sql)
		return strconv.Itoa(n), n == want
	})
}

// close closes a chat to all but its administrators, or opens it.
func (s *fixture) close(chat int64, closed bool) {
	s.t.Helper()
	var telegramID int64
	if err := s.pool.QueryRow(s.t.Context(), `SELECT telegram_id FROM chats WHERE id = $1`, chat).Scan(&telegramID); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.telegram.World().PutChat(world.NewChat{Chat: world.Chat{ID: telegramID, Kind: world.Supergroup, Title: "club", ReadOnly: closed}}); err != nil {
		s.t.Fatal(err)
	}
}

const (
	suspendedNow = `SELECT count(*) FROM cast_members WHERE suspended_at IS NOT NULL`
	stoppedNow   = `SELECT count(*) FROM bots WHERE stopped_at IS NOT NULL`
)

// A group that closes for the night opens again for the bots, though they get no update
// about it.
func TestAClosedGroupIsTriedAgain(t *testing.T) {
	s := newFixture(t, lookOften)
	chat, _ := s.chat("club", world.Supergroup)
	s.close(chat, true)
	s.becomes(s.say(chat, "good night"), "rejected closed")
	s.becomes(s.say(chat, "anybody?"), "rejected closed")
	if n := len(s.calls("sendMessage")); n != 1 {
		t.Errorf("%d calls into the closed group, want 1", n)
	}
	s.exec(`UPDATE cast_members SET next_try_at = now()`)
	s.counts("the group is found closed", 2, `SELECT tries FROM cast_members`)
	s.close(chat, false)
	s.exec(`UPDATE cast_members SET next_try_at = now()`)
	s.counts("the bot is tried", 0, suspendedNow)
	s.becomes(s.say(chat, "good morning"), "delivered closed")
	s.counts("the suspension is over", 0, `SELECT tries FROM cast_members`)
}

// For moments Telegram refuses valid tokens, and a bot may be moving between servers. Then
// nothing was sent.
func TestARefusalOfOneCallIsNone(t *testing.T) {
	for _, fault := range []string{"sendMessage:401:Unauthorized", "sendMessage:404:Not Found", "sendMessage:400:Logged out"} {
		t.Run(fault, func(t *testing.T) {
			s := newFixture(t)
			chat, _ := s.chat("club", world.Supergroup)
			s.fault(fault + ":count=1")
			s.becomes(s.say(chat, "hello"), "delivered closed")
			if n := s.one(stoppedNow) + s.one(suspendedNow); n != 0 {
				t.Errorf("%d bots are stopped or suspended", n)
			}
		})
	}
}

func TestAStoppedBotIsStartedAgain(t *testing.T) {
	s := newFixture(t, lookOften)
	chat, _ := s.chat("club", world.Supergroup)
	s.fault("*:404:Not Found") // the response to every call at a wrong address
	s.becomes(s.say(chat, "hello"), "rejected closed")
	s.counts("the bot is stopped", 1, stoppedNow)
	s.fault()
	s.exec(`UPDATE bots SET next_try_at = now()`)
	s.counts("the bot is started", 0, stoppedNow)
	s.becomes(s.say(chat, "hello again"), "delivered closed")
}

// Unknown refusals lead to a pause, too. Otherwise texts would be written, paid for and
// rejected for ever.
func TestABotThatIsAlwaysRejectedRests(t *testing.T) {
	s := newFixture(t, func(cfg *sender.Config) { cfg.RestAfter = 3 })
	chat, _ := s.chat("club", world.Supergroup)
	s.fault("sendMessage:418:SOMETHING_NEW")
	for range 3 {
		s.becomes(s.say(chat, "hello"), "rejected closed")
	}
	s.counts("the bot rests", 1, `SELECT count(*) FROM cast_members WHERE suspended_why LIKE '%rejected: %SOMETHING_NEW' AND next_try_at > now()`)
	s.becomes(s.say(chat, "hello"), "rejected closed")
	if n := len(s.calls("sendMessage")); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

// A bot that may not react may still write.
func TestARefusedReactionSuspendsNobody(t *testing.T) {
	s := newFixture(t, func(cfg *sender.Config) { cfg.RestAfter = 2 })
	chat, said := s.chat("club", world.Supergroup)
	s.fault("setMessageReaction:400:CHAT_SEND_REACTIONS_FORBIDDEN")
	for range 2 {
		s.becomes(s.react(chat, said, "👍", emojiMessage), "fell_back closed")
	}
	s.counts("the chat is closed to reactions", 1, `SELECT count(*) FROM chats WHERE allowed_reactions = '{}' AND reactions_next_at > now()`)
	s.becomes(s.react(chat, said, "👍", emojiMessage), "fell_back closed")
	if n := len(s.calls("setMessageReaction")); n != 2 {
		t.Errorf("%d calls to react, want 2", n)
	}
	s.becomes(s.say(chat, "hello"), "delivered closed")
	if n := s.one(suspendedNow); n != 0 {
		t.Errorf("%d bots are suspended", n)
	}
}
