package approve_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/approve"
	"github.com/chorus-cast/chorus/services/console/consoletest"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/direct"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// open is the page with a text of two messages that waits as turn 1 of chat 1.
func open(t *testing.T) *consoletest.Site {
	t.Helper()
	t.Parallel()
	s := consoletest.Open(t, func(set *operation.Set, pages *page.Pages, s *consoletest.Site) interface{ Routes(r chi.Router) } {
		return approve.New(set, pages, s.Pool, &direct.Director{
			Pool: s.Pool, Journal: journal.New(s.Pool), Honest: func(line string) bool { return !strings.Contains(line, "human") },
		})
	})
	bot := journaltest.Bot(t, s.Pool, "anna")
	journaltest.Chat(t, s.Pool, "club", bot)
	s.Exec(`UPDATE chats SET title = '<i>Club', disclaimer = 'We are bots.'`)
	s.Exec(`INSERT INTO people (telegram_id, name) VALUES (7, 'Tom <b>')`)
	s.Exec(`INSERT INTO messages (chat_id, number, person_id, body, sent_at) VALUES (1, 1, 7, 'Who <script>?', now())`)
	hold(t, s, 1, "<script>one</script>", "two")
	return s
}

func hold(t *testing.T, s *consoletest.Site, turn int64, parts ...string) {
	t.Helper()
	s.Exec(`INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, payload, planned_at, due_at, expires_at, written_at, fence)
VALUES (1, $1, 1, 'reply', 1, '', now(), now(), now() + interval '1 hour', now(), 1)`, turn)
	for i, text := range parts {
		payload, err := proto.Marshal(&chorusv1.Delivery{Id: &chorusv1.TurnId{ChatId: 1, Number: turn}, BotId: 1, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		s.Exec(`INSERT INTO deliveries (chat_id, turn_no, part, bot_id, action, lane, payload, body, expires_at, created_at)
VALUES (1, $1::integer, $2, 1, 'send_message', 'held', $3, $4, now() + interval '1 hour', now() + $1::integer * interval '1 second')`, turn, i+1, payload, text)
	}
}

const state = `SELECT string_agg(concat_ws(' ', coalesce(t.outcome, 'open'), d.lane, d.body), ', ' ORDER BY part) FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no)`

func TestDecisions(t *testing.T) {
	for name, c := range map[string]struct {
		act     string
		form    url.Values
		changed string // what it makes of the text; empty for nothing
	}{
		"send":              {"send", nil, "open message <script>one</script>, open message two"},
		"edit":              {"edit", url.Values{"text": {" Three.\n"}}, "open message Three. We are bots."},
		"edit into a human": {"edit", url.Values{"text": {"I am human"}}, ""},
		"edit into nothing": {"edit", url.Values{"text": {" "}}, ""},
		"edit, too long":    {"edit", url.Values{"text": {strings.Repeat("a", 4090)}}, ""},
		"discard":           {"discard", nil, "rejected held <script>one</script>, rejected held two"},
		"write again":       {"rewrite", url.Values{"note": {"Shorter."}}, "open"},
		"without a note":    {"rewrite", url.Values{"note": {""}}, ""},
		"nothing known":     {"burn", nil, ""},
		"another version":   {"send", url.Values{"version": {"2"}}, ""},
		"no version":        {"send", url.Values{"version": {"x"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			before := s.One(state)
			form := c.form
			if form == nil {
				form = url.Values{}
			}
			if !form.Has("version") {
				form.Set("version", "1")
			}
			for _, role := range []access.Role{access.Viewer, access.Editor} {
				s.Send(role, http.StatusSeeOther, "/approve/1/1/"+c.act, form)
			}
			if got := s.One(state); got != before {
				t.Fatalf("it is done by who may not: %s", got)
			}
			for range 2 { // the second time is refused
				s.Send(access.Director, http.StatusSeeOther, "/approve/1/1/"+c.act, form)
			}
			want := c.changed
			if want == "" {
				want = before
			}
			if got := s.One(state); got != want {
				t.Errorf("it is %s, want %s", got, want)
			}
			if c.act == "discard" {
				if got := s.One(`SELECT reason FROM turns`); got != "discarded by ed" {
					t.Errorf("the reason is %q", got)
				}
			}
		})
	}
}

func TestTheQueueShowsWhatWaits(t *testing.T) {
	s := open(t)
	body := s.Get(access.Director, "/approve")
	for _, want := range []string{"&lt;i&gt;Club", "Tom &lt;b&gt;", "Who &lt;script&gt;?", "&lt;script&gt;one", "/chats/1/turns/1", "/approve/1/1/send", `name="version" value="1"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %q:\n%s", want, body)
		}
	}
	if body := s.Get(access.Viewer, "/approve"); strings.Contains(body, `action="/approve`) {
		t.Error("who may not decide is asked to")
	}
	if strings.Contains(body, "Written again") {
		t.Error("a text that was written once says that it was written again")
	}
	s.Exec(`INSERT INTO decisions (chat_id, turn_no, version, what, by, via, note, draft) VALUES (1, 1, 0, 'rewritten', 'Kim <b>', 'telegram', 'Shorter <u>now</u>.', ARRAY['It was', '<i>long</i>.'])`)
	body = s.Get(access.Viewer, "/approve")
	for _, want := range []string{"as Kim &lt;b&gt; asked: Shorter &lt;u&gt;now&lt;/u&gt;.", "Before that it was: It was &lt;i&gt;long&lt;/i&gt;."} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %q:\n%s", want, body)
		}
	}
	for turn := range int64(20) {
		hold(t, s, turn+2, "text")
	}
	s.Exec(`UPDATE turns SET planned_at = now() - interval '2 seconds', due_at = now() - interval '2 seconds', expires_at = now() - interval '1 second' WHERE turn_no = 2`)
	hold(t, s, 30, "the last")
	first := s.Get(access.Viewer, "/approve")
	_, next, more := strings.Cut(first, `href="/approve?after=`)
	if next, _, _ = strings.Cut(next, `"`); !more || strings.Contains(first, "turn 2<") || strings.Contains(first, "the last") {
		t.Fatalf("the first page:\n%s", first)
	}
	if second := s.Get(access.Viewer, "/approve?after="+next); !strings.Contains(second, "the last") || strings.Contains(second, "turn 3<") {
		t.Errorf("the second page:\n%s", second)
	}
	if status, _ := s.Ask(access.Viewer, http.MethodGet, "/approve?after=x", nil); status != http.StatusUnprocessableEntity {
		t.Errorf("got %d", status)
	}
}

func TestDecisionsAreAudited(t *testing.T) {
	s := open(t)
	at := time.Now()
	s.Send(access.Director, http.StatusSeeOther, "/approve/1/1/discard", url.Values{"version": {"1"}})
	if got := s.One(`SELECT operation || ' ' || object FROM audit_log WHERE at >= $1`, at.Add(-time.Minute)); got != "discard-text turn 1 of chat 1" {
		t.Errorf("the log has %s", got)
	}
}
