package listener_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/listener"
)

func TestWhoWantsItIsForgotten(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	stop := s.listen()
	first, there := s.chat(world.Supergroup, "Here")
	second, elsewhere := s.chat(world.Group, "There")
	s.say(there, "Tom", "Who knows my secret?", 0)
	s.say(elsewhere, "Tom", "my other secret", 0)
	s.say(elsewhere, "Ann", "mine", 0)
	s.hears(first, 1)
	s.hears(second, 2)
	s.settled()
	stop()
	// One bot is behind: it reports all updates again, later.
	s.exec(`DELETE FROM heard WHERE bot_id = $1`, s.bots[2])

	s.listen()
	s.pass(time.Second) // Telegram's times are whole seconds
	d := s.asks(first, there, "Tom", "/forgetme")
	if !strings.HasPrefix(d.GetText(), "Done.") || d.GetTargetMessage() != 0 {
		t.Errorf("the answer is %v", d)
	}
	tom, _ := s.world().Find("Tom")
	for what, sql := range map[string]string{
		"messages": `SELECT count(*) FROM messages WHERE person_id = $1`,
		"people":   `SELECT count(*) FROM people WHERE telegram_id = $1`,
		"prompts":  `SELECT count(*) FROM prompts WHERE person_id = $1`,
		"commands": `SELECT count(*) FROM commands WHERE person_id = $1`,
	} {
		if n := value[int](s, sql, tom.ID); n != 0 {
			t.Errorf("%d %s are left", n, what)
		}
	}
	s.pass(time.Second)
	s.say(there, "Tom", "hello again", 0)
	becomes(s, 1, `SELECT count(*) FROM messages WHERE person_id = $1`, tom.ID)
}

func TestRetentionIsEnforced(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	chat, there := s.chat(world.Supergroup, "Here")
	other, elsewhere := s.chat(world.Supergroup, "There")
	s.exec(`UPDATE chats SET retention_days = 3 WHERE id = $1`, chat)
	stop := s.listen()
	for _, c := range []int64{there, elsewhere} {
		id := s.say(c, "Tom", "old", 0)
		s.say(c, "Ann", "an answer", id)
	}
	s.hears(chat, 2)
	s.hears(other, 2)
	s.settled()
	stop()
	s.exec(`UPDATE messages SET sent_at = sent_at - interval '4 days' WHERE body = 'old'`)
	s.exec(`UPDATE heard SET heard_at = heard_at - interval '4 days'`)
	s.exec(`UPDATE people SET seen_at = seen_at - interval '4 days'`)
	s.exec(`INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at, outcome, closed_at, written_at)
SELECT id, 1, $1, 'message', '', now() - interval '4 days', now() - interval '4 days', now(), 'delivered', now(), now() FROM chats`, s.bots[0])
	s.exec(`INSERT INTO drafts (chat_id, turn_no, at, drafts) SELECT id, 1, at, '[]' FROM chats, unnest(ARRAY[now() - interval '8 days', now() - interval '6 days']) at`)

	s.listen(func(c *listener.Config) { c.Tidy = time.Second })
	becomes(s, 1, `SELECT count(*) FROM messages WHERE chat_id = $1`, chat)
	becomes(s, 0, `SELECT count(*) FROM turns WHERE chat_id = $1`, chat)
	becomes(s, 0, `SELECT count(*) FROM heard`)
	becomes(s, 1, `SELECT count(*) FROM drafts`) // the other chat's draft of less than a week ago
	if n := value[int](s, `SELECT count(*) FROM turns WHERE chat_id = $1`, other); n != 1 {
		t.Errorf("the chat that keeps things for 30 days has %d turns, want 1", n)
	}
	if n := value[int](s, `SELECT count(*) FROM messages WHERE chat_id = $1`, other); n != 2 {
		t.Errorf("the chat that keeps messages for 30 days has %d, want 2", n)
	}
	if n := value[int](s, `SELECT count(*) FROM people`); n != 2 {
		t.Errorf("%d people are left, want 2: they are known elsewhere", n)
	}
	s.exec(`DELETE FROM messages`)
	becomes(s, 0, `SELECT count(*) FROM people`)
}
