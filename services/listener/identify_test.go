package listener_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/listener"
)

func TestUsernamesAreLearned(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	chat, there := s.chat(world.Supergroup, "Here")
	// The cast file lacks a username, and has a wrong one.
	s.exec(`UPDATE bots SET username = NULL, telegram_id = NULL WHERE id = $1`, s.bots[0])
	s.exec(`UPDATE bots SET username = 'gone_bot' WHERE id = $1`, s.bots[1])
	s.exec(`UPDATE bots SET username = $2 WHERE id = $1`, s.bots[2], "Bot1_Of_Tests")
	s.listen()
	for i, id := range s.bots {
		becomes(s, username(i), `SELECT coalesce(username, '') FROM bots WHERE id = $1`, id)
		becomes(s, s.accounts[i], `SELECT coalesce(telegram_id, 0) FROM bots WHERE id = $1`, id)
	}
	// The listener reads them by now or soon.
	s.settled()
	s.say(there, "Tom", "/about@BOT0_of_tests", 0)
	becomes(s, 1, `SELECT count(*) FROM deliveries WHERE chat_id = $1 AND bot_id = $2`, chat, s.bots[0])
	s.say(there, "Tom", "What do you think, @bot2_OF_tests?", 0)
	heard := s.hears(chat, 2)
	if got := s.prompts(chat)[heard[1].Number]; len(got) != 1 || got[0] != s.bots[2] {
		t.Errorf("addressed are %v, want %d", got, s.bots[2])
	}
}

// renamed is a Telegram that reports another username for a bot.
type renamed struct {
	listener.Telegram

	name atomic.Pointer[string]
}

func (r *renamed) GetMe(ctx context.Context, token secret.String) (telegram.Me, telegram.Outcome) {
	me, out := r.Telegram.GetMe(ctx, token)
	me.Username = *r.name.Load()
	return me, out
}

func TestANewUsernameIsHeard(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	chat, there := s.chat(world.Supergroup, "Here")
	tg := &renamed{Telegram: s.telegram()}
	before := username(0)
	tg.name.Store(&before)
	l, _ := s.listening(tg)
	s.say(there, "Tom", "Hello", 0)
	s.hears(chat, 1)
	after := "renamed_bot"
	tg.name.Store(&after)
	// The listener asks every ten minutes, and when the cast changes.
	s.exec(`UPDATE bots SET username = 'other_bot' WHERE id = $1`, s.bots[0])
	l.Wake()
	becomes(s, after, `SELECT coalesce(username, '') FROM bots WHERE id = $1`, s.bots[0])
	// The listener reads it by now or soon.
	testenv.Eventually(t, "the bot is heard by its new name", func() (string, bool) {
		s.say(there, "Tom", "/about@Renamed_Bot", 0)
		n := value[int](s, `SELECT count(*) FROM deliveries WHERE chat_id = $1`, chat)
		return fmt.Sprint(n), n > 0
	})
}
