package listener_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/world"
	"github.com/chorus-cast/chorus/services/listener/incoming"
)

// Telegram uses these accounts for authors who write as a channel, or as an anonymous
// administrator.
const (
	asChannel   = `"from":{"id":136817688,"is_bot":true,"first_name":"Channel"}`
	asAnonymous = `"from":{"id":1087968824,"is_bot":true,"first_name":"Group"}`
)

// writes sends a message of an author who acts as a chat.
func (s *stage) writes(at, secret string, id, chat int64, from string, sender int64, title, text string, said time.Time) {
	s.t.Helper()
	entities := ""
	if strings.HasPrefix(text, "/") {
		entities = fmt.Sprintf(`,"entities":[{"type":"bot_command","offset":0,"length":%d}]`, len(text))
	}
	body := fmt.Sprintf(`{"update_id":%d,"message":{"message_id":%d,"date":%d,"chat":{"id":%d,"type":"supergroup","title":"Here"},
%s,"sender_chat":{"id":%d,"type":"supergroup","title":%q},"text":%q%s}}`, id, id, said.Unix(), chat, from, sender, title, text, entities)
	if status := s.bring(at, s.bots[0], secret, body); status != http.StatusOK {
		s.t.Fatalf("%s: %d", body, status)
	}
}

func TestWhoWritesAsAChatIsThatChat(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	s := newStage(t, 1)
	here, group := s.chat(world.Supergroup, "Here")
	there, other := s.chat(world.Supergroup, "There")
	at := s.hooked()
	hook, _ := s.world().WebhookOf(s.accounts[0])
	const red, blue = -1_005_000_000_001, -1_005_000_000_002
	ago := time.Now().Add(-time.Minute)
	for i, m := range []struct {
		chat   int64
		from   string
		sender int64
		title  string
	}{
		{group, asChannel, red, "Red"},
		{other, asChannel, red, "Red"},
		{group, asChannel, blue, "Blue"},
		{other, asChannel, blue, "Blue"},
		{group, asAnonymous, group, "Private club"},
		{other, asAnonymous, other, "Other club"},
	} {
		s.writes(at, hook.Secret, int64(1_000_000+i), m.chat, m.from, m.sender, m.title, fmt.Sprint("hello ", i), ago)
	}
	names := func(chat int64) string {
		return value[string](s, `SELECT string_agg(p.name, ', ' ORDER BY m.number) FROM messages m JOIN people p ON p.telegram_id = m.person_id WHERE m.chat_id = $1`, chat)
	}
	if got := names(here); got != "Red, Blue, Private club" {
		t.Errorf("here wrote %s", got)
	}
	if got := names(there); got != "Red, Blue, Other club" {
		t.Errorf("there wrote %s", got)
	}

	left := func(person int64) int {
		return value[int](s, `SELECT count(*) FROM messages WHERE person_id = $1`, person)
	}
	s.writes(at, hook.Secret, 2_000_000, group, asChannel, red, "Red", "/forgetme", time.Now())
	becomes(s, 0, `SELECT count(*) FROM commands`)
	if left(red) != 0 || left(blue) != 2 || left(group) != 1 || left(other) != 1 {
		t.Errorf("after Red's /forgetme are left: %d, %d, %d, %d", left(red), left(blue), left(group), left(other))
	}
	// Any administrator may erase what was written in the group's name.
	s.writes(at, hook.Secret, 2_000_001, group, asAnonymous, group, "Private club", "/forgetme", time.Now())
	becomes(s, 0, `SELECT count(*) FROM commands`)
	if left(blue) != 2 || left(group) != 0 || left(other) != 1 {
		t.Errorf("after the group's /forgetme are left: %d, %d, %d", left(blue), left(group), left(other))
	}
	// A channel administers no group, so Telegram isn't asked.
	s.writes(at, hook.Secret, 2_000_002, group, asChannel, blue, "Blue", "/pause", time.Now())
	becomes(s, 0, `SELECT count(*) FROM commands`)
	all := s.answers(here)
	if last := all[len(all)-1].GetText(); !strings.HasPrefix(last, "Only administrators") {
		t.Errorf("the channel's /pause is answered by %q", last)
	}
}

func TestCommandsAreNoTalk(t *testing.T) {
	t.Parallel()
	s := newStage(t, 2)
	chat, there := s.chat(world.Supergroup, "Here")
	s.listen()
	for _, text := range []string{
		"/about", "/help", "/start", "/start@" + username(1), "/foo", "/foo@" + username(0), "/help@OtherBot", "/shrug who, me?",
		"/ hello?", "/etc/passwd is a file", "What is /about?", "@" + strings.ToUpper(username(0)) + " hi",
	} {
		s.say(there, "Tom", text, 0)
	}
	heard := s.hears(chat, 12)
	becomes(s, 0, `SELECT count(*) FROM commands`)
	talk := value[string](s, `SELECT string_agg(body, ' | ' ORDER BY number) FROM messages WHERE chat_id = $1 AND talk AND bot_id IS NULL`, chat)
	if want := "/ hello? | /etc/passwd is a file | What is /about? | @" + strings.ToUpper(username(0)) + " hi"; talk != want {
		t.Errorf("talk is %s; want %s", talk, want)
	}
	prompts := s.prompts(chat)
	for _, l := range heard[:8] {
		if _, called := prompts[l.Number]; called {
			t.Errorf("%q calls upon the cast", l.Text)
		}
	}
	if got := prompts[heard[11].Number]; len(got) != 1 || got[0] != s.bots[0] {
		t.Errorf("a mention in capitals names %v", got)
	}
	answers := s.answers(chat)
	if len(answers) != 4 {
		t.Fatalf("%d answers, want those of /about, /help and /start twice", len(answers))
	}
	for _, d := range answers {
		if !strings.Contains(d.GetText(), "are bots: a program writes") {
			t.Errorf("answered by %q", d.GetText())
		}
	}
	if incoming.Asks(heard[7].Text) != true {
		t.Error("the unknown command should have looked like a question")
	}
}

func TestMembersCantUseUpTheAdministratorsAnswers(t *testing.T) {
	s := commandStage(t)
	chat, there := s.chat(world.Supergroup, "Here")
	if err := s.world().SetRole(there, "Ann", world.Administrator); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		s.say(there, "Tom", "/status", 0)
		s.say(there, "Tom", "/about", 0)
	}
	s.hears(chat, 20)
	becomes(s, 0, `SELECT count(*) FROM commands`)
	before := len(s.answers(chat))
	s.say(there, "Ann", "/status", 0)
	becomes(s, before+1, `SELECT count(*) FROM deliveries WHERE chat_id = $1`, chat)
	if last := s.answers(chat)[before].GetText(); !strings.HasPrefix(last, "The cast talks.") {
		t.Errorf("the administrator is answered by %q", last)
	}
}
