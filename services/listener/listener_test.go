package listener_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

// The subtests share a stage, because setting it up takes a while.
func TestWhatIsHeard(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0)
	for i := range 3 {
		s.addBot(fmt.Sprintf("bot%d", i), func(b *world.NewBot) { b.BotToBot = true })
	}
	s.listen()
	for name, part := range map[string]func(*testing.T, *stage){
		"a message that all bots get is one row":            aMessageThatAllBotsGetIsOneRow,
		"what calls for an answer is a prompt":              whatCallsForAnAnswerIsAPrompt,
		"bots are not people":                               botsAreNotPeople,
		"edits change the row once":                         editsChangeTheRowOnce,
		"membership follows telegram":                       membershipFollowsTelegram,
		"a new title is in the roster at once":              aNewTitleIsInTheRosterAtOnce,
		"an upgrade keeps the chat":                         anUpgradeKeepsTheChat,
		"a chat that nobody allowed is found and not heard": aChatThatNobodyAllowedIsFoundAndNotHeard,
	} {
		t.Run(name, func(t *testing.T) { part(t, s.in(t)) })
	}
}

func aMessageThatAllBotsGetIsOneRow(t *testing.T, s *stage) {
	t.Helper()
	for _, kind := range []string{world.Supergroup, world.Group} {
		chat, there := s.chat(kind, "The "+kind)
		first := s.say(there, "Tom", "Does @"+username(1)+" like endings?", 0)
		s.say(there, "Ann", "I do", first)
		s.say(there, "Ann", "I do", first)
		heard := s.hears(chat, 3)
		s.settled()

		if n := value[int](s, `SELECT count(*) FROM messages WHERE chat_id = $1`, chat); n != 3 {
			t.Errorf("%s: %d rows, want 3", kind, n)
		}
		// One id for each message in a supergroup, one for each bot in a basic group.
		ids, want := `SELECT count(telegram_id) FROM messages WHERE chat_id = $1`, 3
		if kind == world.Group {
			ids, want = `SELECT count(*) FROM message_ids WHERE chat_id = $1`, 9
		}
		if n := value[int](s, ids, chat); n != want {
			t.Errorf("%s: %d ids, want %d", kind, n, want)
		}
		question := heard[0].Number
		if q := heard[0]; q.Text != "Does @"+username(1)+" like endings?" || q.Person == 0 || q.ReplyTo != 0 {
			t.Errorf("%s: the question is %v", kind, q)
		}
		for _, answer := range heard[1:] {
			if answer.ReplyTo != question {
				t.Errorf("%s: the answer is %v", kind, answer)
			}
		}
		if got := s.prompts(chat); len(got) != 1 || !slices.Equal(got[question], s.bots[1:2]) {
			t.Errorf("%s: prompts are %v", kind, got)
		}
		// Every bot's own id refers to the same message.
		for i, bot := range s.bots {
			id := s.world().IDs(there, first)[s.accounts[i]]
			if n := value[int64](s, `
SELECT number FROM messages WHERE chat_id = $1 AND telegram_id = $3 UNION ALL
SELECT number FROM message_ids WHERE chat_id = $1 AND viewer = $2 AND telegram_id = $3`, chat, bot, id); n != question {
				t.Errorf("%s: what bot %d calls %d is message %d, want %d", kind, i, id, n, question)
			}
		}
	}
	if n := value[int](s, `SELECT count(*) FROM people WHERE name IN ('Tom', 'Ann')`); n != 2 {
		t.Errorf("%d people, want 2", n)
	}
}

func whatCallsForAnAnswerIsAPrompt(t *testing.T, s *stage) {
	t.Helper()
	chat, there := s.chat(world.Supergroup, "Here")
	rung, err := s.js.Conn().SubscribeSync(subject.Prompt)
	if err != nil {
		t.Fatal(err)
	}
	plain := s.say(there, "Ann", "I liked it", 0)
	s.say(there, "Tom", "Did you?", plain)               // asks a person
	s.say(there, "Tom", "/unknown @"+username(1)+"?", 0) // for another bot
	edited := s.say(there, "Tom", "Who", 0)
	if _, err := s.world().EditAs(there, edited, "Who?"); err != nil {
		t.Fatal(err)
	}
	s.say(there, "Tom", "And who else?", 0)
	s.say(there, "Tom", "You there, @"+username(1)+" and @"+username(0), plain)
	heard := s.hears(chat, 6)
	s.settled()
	got := s.prompts(chat)
	if group, named := got[heard[4].Number], got[heard[5].Number]; len(got) != 2 || group == nil || len(group) != 0 || !slices.Equal(named, []int64{s.bots[1], s.bots[0]}) {
		t.Errorf("prompts are %v of %v", got, heard)
	}
	if late := value[int](s, `SELECT count(*) FROM prompts WHERE chat_id = $1 AND (happened_at > heard_at OR heard_at > now() OR person_id = 0)`, chat); late != 0 {
		t.Errorf("%d prompts have a time or person that can't be", late)
	}
	for told := (&chorusv1.Ring{}); !slices.Contains(told.GetChats(), chat); {
		m, err := rung.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatalf("nobody rings: %v", err)
		}
		if err := proto.Unmarshal(m.Data, told); err != nil {
			t.Fatal(err)
		}
	}
}

func botsAreNotPeople(t *testing.T, s *stage) {
	t.Helper()
	chat, there := s.chat(world.Supergroup, "Here")
	_, token, err := s.world().RegisterBot(world.NewBot{Username: "stranger_bot", BotToBot: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.world().SetRole(there, "stranger_bot", world.Ordinary); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{token, value[string](s, `SELECT convert_from(token_sealed, 'UTF8') FROM bots WHERE id = $1`, s.bots[0])} {
		out := s.telegram().SendMessage(t.Context(), secret.New(token), telegram.Message{ChatID: there, Text: "I am a bot"})
		if !out.OK() {
			t.Fatal(out.Err())
		}
	}
	s.say(there, "Tom", "I am none", 0)
	s.settled()
	if heard := s.heard(chat); len(heard) != 1 || heard[0].Text != "I am none" {
		t.Errorf("heard %v", heard)
	}
}

func editsChangeTheRowOnce(t *testing.T, s *stage) {
	t.Helper()
	for _, kind := range []string{world.Supergroup, world.Group} {
		chat, there := s.chat(kind, "The "+kind)
		id := s.say(there, "Tom", "first", 0)
		if _, err := s.world().EditAs(there, id, "second"); err != nil {
			t.Fatal(err)
		}
		becomes(s, 1, `SELECT count(*) FROM messages WHERE chat_id = $1 AND edited_at IS NOT NULL`, chat)
		s.settled()
		if body := value[string](s, `SELECT body FROM messages WHERE chat_id = $1 AND edited_at IS NOT NULL`, chat); body != "second" {
			t.Errorf("%s: the row says %q", kind, body)
		}
		if n := len(s.heard(chat)); n != 1 {
			t.Errorf("%s: %d messages, want 1", kind, n)
		}
	}
}

func membershipFollowsTelegram(t *testing.T, s *stage) {
	t.Helper()
	chat, there := s.chat(world.Supergroup, "Here")
	s.settled()
	const suspended = `SELECT count(*) FROM cast_members WHERE chat_id = $1 AND bot_id = $2 AND suspended_at IS NOT NULL`
	for _, step := range []struct {
		role world.Role
		want int
	}{{world.Kicked, 1}, {world.Ordinary, 0}, {world.Restricted, 1}, {world.Administrator, 0}, {world.Left, 1}} {
		if err := s.world().SetRole(there, username(0), step.role); err != nil {
			t.Fatal(err)
		}
		becomes(s, step.want, suspended, chat, s.bots[0])
	}
	if n := value[int](s, suspended, chat, s.bots[1]); n != 0 {
		t.Error("the other bot is suspended")
	}
}

func aNewTitleIsInTheRosterAtOnce(t *testing.T, s *stage) {
	t.Helper()
	for _, kind := range []string{world.Supergroup, world.Group} {
		chat, there := s.chat(kind, "The "+kind)
		s.group(there, kind, "Another "+kind)
		becomes(s, "Another "+kind, `SELECT title FROM chats WHERE id = $1`, chat)
	}
}

func anUpgradeKeepsTheChat(t *testing.T, s *stage) {
	t.Helper()
	chat, there := s.chat(world.Group, "Here")
	s.say(there, "Tom", "before", 0)
	s.hears(chat, 1)
	next, err := s.world().Upgrade(there)
	if err != nil {
		t.Fatal(err)
	}
	s.say(next.ID, "Tom", "after", 0)
	if heard := s.hears(chat, 2); heard[1].Text != "after" {
		t.Errorf("heard %v", heard)
	}
	s.settled()
	if n := value[int](s, `SELECT count(*) FROM chats WHERE id = $1 AND telegram_id = $2 AND former_id = $3 AND kind = 'supergroup'`, chat, next.ID, there); n != 1 {
		t.Error("the chat did not move")
	}
	if n := value[int](s, `SELECT count(*) FROM chats WHERE telegram_id IN ($1, $2)`, there, next.ID); n != 1 {
		t.Errorf("%d chats, want 1", n)
	}
}

func aChatThatNobodyAllowedIsFoundAndNotHeard(t *testing.T, s *stage) {
	t.Helper()
	there := s.newID(world.Supergroup)
	s.group(there, world.Supergroup, "Strangers")
	s.say(there, "Stranger", "What is the secret?", 0)
	becomes(s, 3, `SELECT count(*) FROM chats c JOIN cast_members m ON m.chat_id = c.id
WHERE telegram_id = $1 AND title = 'Strangers' AND NOT enabled AND found_at IS NOT NULL`, there)
	s.settled()
	chat := value[int64](s, `SELECT id FROM chats WHERE telegram_id = $1`, there)
	for _, table := range []string{"messages", "prompts"} {
		if n := value[int](s, `SELECT count(*) FROM `+table+` WHERE chat_id = $1`, chat); n != 0 {
			t.Errorf("%d %s are kept", n, table)
		}
	}
	if n := value[int](s, `SELECT count(*) FROM people WHERE name = 'Stranger'`); n != 0 {
		t.Error("the person is kept")
	}
	s.exec(`UPDATE chats SET enabled = true WHERE id = $1`, chat)
	s.say(there, "Stranger", "hello", 0)
	s.hears(chat, 1)
}

func TestWhatComesBackIsNotHeardAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, 2)
	chat, there := s.chat(world.Supergroup, "Here")
	s.say(there, "Tom", "one", 0)
	stop := s.listen()
	s.hears(chat, 1)
	s.settled()
	stop()
	s.exec(`DELETE FROM listening`)
	for i := range 5 {
		s.say(there, "Tom", fmt.Sprint("more ", i), 0)
	}
	s.listen()
	s.hears(chat, 6)
}
