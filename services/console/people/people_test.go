package people_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/consoletest"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/console/people"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/people/peopletest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func open(t *testing.T) *consoletest.Site {
	t.Helper()
	s := consoletest.Open(t, func(set *operation.Set, pages *page.Pages, s *consoletest.Site) interface{ Routes(r chi.Router) } {
		return people.New(set, pages, s.Pool, s.Keys)
	})
	bot := journaltest.Bot(t, s.Pool, "anna")
	chat := journaltest.Chat(t, s.Pool, "club", bot)
	at := time.Now().Add(-time.Hour)
	s.Exec(`INSERT INTO people (telegram_id, name, username, seen_at) VALUES (42, 'Zebulon <b>', 'zebulon_q', $1)`, at)
	s.Exec(`INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES ($1, 42, 'I have a quokkaberry.', $2)`, chat, at)
	s.Exec(`INSERT INTO messages (chat_id, bot_id, body, sent_at) VALUES ($1, $2, 'A quokkaberry! Hello.', $3)`, chat, bot, at.Add(time.Minute))
	s.Exec(`WITH m AS (INSERT INTO memories (bot_id, chat_id, kind, content, source) VALUES ($1, $2, 'fact', 'Zebulon has a quokkaberry.', 'learned') RETURNING id)
INSERT INTO memory_people (memory_id, person_id, about) SELECT id, 42, true FROM m`, bot, chat)
	return s
}

func TestAPersonIsFoundExportedAndErased(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.Ask(access.Admin, http.MethodGet, "/people?who=%40zebulon_q", nil)
	body := s.Get(access.Admin, "/people/42")
	for _, want := range []string{"Zebulon &lt;b&gt;", "I have a quokkaberry.", "Zebulon has a quokkaberry."} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not show %q:\n%s", want, body)
		}
	}
	for path, want := range map[string]string{"/people/42/lines": "A quokkaberry! Hello.", "/people/43/lines": "Nothing.", "/people/42/export": "username: zebulon_q", "/people/42/export?as=json": `"username": "zebulon_q"`} {
		if body := s.Get(access.Admin, path); !strings.Contains(body, want) {
			t.Errorf("%s has no %s:\n%s", path, want, body)
		}
	}
	s.Send(access.Admin, http.StatusSeeOther, "/people/42/erase", url.Values{"confirm": {"43"}})
	if places := peopletest.Tables(t, s.Pool, "quokkaberry"); len(places) == 0 {
		t.Error("it is erased without the right confirmation")
	}
	s.Send(access.Admin, http.StatusSeeOther, "/people/42/erase", url.Values{"confirm": {"42"}})
	for _, text := range []string{"quokkaberry", "Zebulon"} {
		if places := peopletest.Tables(t, s.Pool, text); len(places) > 0 {
			t.Errorf("%s still stands in %v", text, places)
		}
	}
	if got := s.One(`SELECT count(*) FROM audit_log WHERE operation = 'erase-person' AND input IS NULL AND object NOT LIKE '%42%'`); got != "2" {
		t.Errorf("%s entries of the audit log tell of it without naming them", got)
	}
	if body := s.Get(access.Admin, "/people?who=%40zebulon_q"); !strings.Contains(body, "Nothing is kept") {
		t.Errorf("it is found again:\n%s", body)
	}
}

func TestRetentionOfAChatIsSet(t *testing.T) {
	t.Parallel()
	s := open(t)
	for days, want := range map[string]string{"0": "30", "x": "30", "7": "7"} {
		s.Exec(`UPDATE chats SET retention_days = 30`)
		s.Send(access.Admin, http.StatusSeeOther, "/people/retention", url.Values{"chat": {"club"}, "days": {days}})
		if got := s.One(`SELECT retention_days FROM chats`); got != want {
			t.Errorf("set to %s it is %s, want %s", days, got, want)
		}
	}
}

func TestPeopleAreForAdmins(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, role := range []access.Role{access.Viewer, access.Editor, access.Director} {
		for _, path := range []string{"/people", "/people?who=42", "/people/42", "/people/42/lines", "/people/42/export"} {
			if status, _ := s.Ask(role, http.MethodGet, path, nil); status != http.StatusForbidden {
				t.Errorf("%s: a %s gets %d", path, role, status)
			}
		}
		s.Ask(role, http.MethodPost, "/people/42/erase", url.Values{"confirm": {"42"}})
		s.Ask(role, http.MethodPost, "/people/retention", url.Values{"chat": {"club"}, "days": {"1"}})
	}
	if got := s.One(`SELECT count(*) FROM people`) + s.One(`SELECT retention_days FROM chats`) + s.One(`SELECT count(*) FROM audit_log`); got != "1300" {
		t.Errorf("got %s", got)
	}
}
