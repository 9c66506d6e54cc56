package sender_test

import (
	"testing"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/sender"
)

// stickerID is a file id that the emulator accepts.
const stickerID = "CAACAgIAAxkBAAIBYWZxJ2sprouting0NgQ"

// sticker publishes a sticker as a reaction.
func (s *fixture) sticker(chat, target int64, id string, fallback chorusv1.Fallback) *chorusv1.Delivery {
	s.t.Helper()
	turn := s.turn(chat)
	turn.Kind, turn.TargetMessage = chorusv1.TurnKind_TURN_KIND_REACTION, target
	d := journaltest.Reaction(turn, "🎉", fallback)
	d.Action, d.Sticker = chorusv1.Action_ACTION_SEND_STICKER, id
	return s.post(turn, d)
}

func TestASticker(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	s.becomes(s.sticker(chat, said, stickerID, emojiMessage), "delivered closed")
	s.called("sendSticker", "sent 200")
	s.called("sendMessage")
	s.counts("it is in the log of messages", 1, `SELECT count(*) FROM messages WHERE body = '🎉' AND reply_to IS NOT NULL AND turn_no IS NOT NULL`)
	s.counts("it is a message in the order of messages", 1, `SELECT count(*) FROM deliveries WHERE lane = 'message' AND action = 'send_sticker'`)
}

// A refused sticker says nothing about texts or reactions.
func TestARefusedSticker(t *testing.T) {
	for name, test := range map[string]struct{ fault, id string }{
		"another bot's file": {"sendSticker:400:wrong file identifier/HTTP URL specified", stickerID},
		"no file":            {"", "CAACAgIAAxkBAAIBYWZ"},
		"forbidden":          {"sendSticker:400:CHAT_SEND_STICKERS_FORBIDDEN", stickerID},
		"without the right":  {"sendSticker:400:not enough rights to send stickers to the chat", stickerID},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, func(cfg *sender.Config) { cfg.RestAfter = 2 })
			chat, said := s.chat("club", world.Supergroup)
			if test.fault != "" {
				s.fault(test.fault)
			}
			for range 3 {
				s.becomes(s.sticker(chat, said, test.id, emojiMessage), "fell_back closed")
			}
			for range 3 {
				s.becomes(s.sticker(chat, said, test.id, chorusv1.Fallback_FALLBACK_UNSPECIFIED), "rejected closed")
			}
			if n := s.one(suspendedNow); n != 0 {
				t.Errorf("%d bots are suspended", n)
			}
			s.counts("the chat is closed to reactions", 0, `SELECT count(*) FROM chats WHERE allowed_reactions = '{}'`)
			s.counts("the reason is told", 3, `SELECT count(*) FROM turns WHERE outcome = 'rejected' AND reason LIKE 'Bad Request: %'`)
			s.becomes(s.say(chat, "hello"), "delivered closed")
		})
	}
}

// A bot that may not write at all is suspended after the fallback message.
func TestAStickerOfABotThatMayNotWrite(t *testing.T) {
	s := newFixture(t)
	chat, said := s.chat("club", world.Supergroup)
	s.fault("sendSticker:400:not enough rights to send stickers to the chat", "sendMessage:400:not enough rights to send text messages to the chat")
	s.becomes(s.sticker(chat, said, stickerID, emojiMessage), "rejected closed")
	if n := s.one(suspendedNow); n != 1 {
		t.Errorf("%d bots are suspended", n)
	}
}
