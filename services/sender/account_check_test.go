package sender_test

import (
	"fmt"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/sender"
)

// account must find doubled, lost and reordered messages, or the tests that rely on it
// prove nothing.
func TestAccountFindsWhatIsWrong(t *testing.T) {
	s := newFixture(t, func(c *sender.Config) { c.OnUnknown.Message = sender.Resend })
	chat, _ := s.chat("club", world.Supergroup)
	say := func() { s.becomes(s.say(chat, fmt.Sprintf("%d-%d", chat, s.turns[chat]+1)), "delivered closed") }
	say()
	if a := s.account(); a.duplicates+a.disorders+a.unaccounted != 0 {
		t.Fatalf("nothing is wrong, and it found %+v", a)
	}
	s.fault("sendMessage:reset_after:count=1")
	say()
	if a := s.account(); a.duplicates != 1 || a.disorders+a.unaccounted != 0 {
		t.Errorf("a message was doubled, and it found %+v", a)
	}
	cfg := telegram.DefaultConfig()
	cfg.URL = s.telegram.URL()
	stranger, err := telegram.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	var telegramID int64
	if err := s.pool.QueryRow(t.Context(), `SELECT telegram_id FROM chats`).Scan(&telegramID); err != nil {
		t.Fatal(err)
	}
	m := telegram.Message{ChatID: telegramID, Text: fmt.Sprintf("%d-1", chat)}
	if out := stranger.SendMessage(t.Context(), secret.New(s.tokens["anna"]), m); !out.OK() {
		t.Fatal(out)
	}
	if a := s.account(); a.duplicates != 2 || a.disorders != 1 {
		t.Errorf("a message was doubled late, and it found %+v", a)
	}
	s.exec(`UPDATE messages SET telegram_id = telegram_id + 1000`)
	if a := s.account(); a.unaccounted != 2 {
		t.Errorf("two messages were never sent, and it found %+v", a)
	}
	s.exec(`UPDATE turns SET outcome = NULL, closed_at = NULL`)
	if a := s.account(); a.unaccounted != 2 {
		t.Errorf("two turns have no end, and it found %+v", a)
	}
}
