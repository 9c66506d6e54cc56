package overview_test

import (
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/chats"
	"github.com/chorus-cast/chorus/services/console/consoletest"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/overview"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// both are the two pages that show whether chats talk.
type both []interface{ Routes(r chi.Router) }

func (b both) Routes(r chi.Router) {
	for _, area := range b {
		area.Routes(r)
	}
}

// A chat without texts does not talk, on any page; only what no time ends needs a person.
func TestWhatRestsIsNoNeedAndDoesNotTalk(t *testing.T) {
	t.Parallel()
	s := consoletest.Open(t, func(set *operation.Set, pages *page.Pages, s *consoletest.Site) interface{ Routes(r chi.Router) } {
		return both{overview.New(set, pages, overview.Deps{Pool: s.Pool}), chats.New(set, pages, chats.Deps{Pool: s.Pool})}
	})
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := s.Pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	says := func(path, yes, no string) {
		t.Helper()
		if got := s.Get(access.Viewer, path); !strings.Contains(got, yes) || no != "" && strings.Contains(got, no) {
			t.Errorf("%s: want %q, and no %q in\n%s", path, yes, no, got)
		}
	}
	journaltest.Chat(t, s.Pool, "club", journaltest.Bot(t, s.Pool, "anna"))
	const talks = `<span class="tag good">talks</span>`
	for _, path := range []string{"/", "/chats", "/chats/1"} {
		says(path, talks, "no texts")
	}
	exec(`INSERT INTO llm_calls (at, purpose, provider, model, outcome, rests_until)
SELECT now(), 'text', 'openai', 'm', 'empty', now() + interval '119 seconds' FROM generate_series(1, 12)`)
	for _, path := range []string{"/", "/chats", "/chats/1"} {
		says(path, "no texts: the model openai/m gave an empty answer 12 times since ", talks)
	}
	exec(`UPDATE cast_members SET suspended_at = now(), suspended_why = 'not enough rights', next_try_at = now() + interval '1 minute'`)
	says("/", `<span class="tag">rests</span>`, "")
	says("/", "anna in club: suspended, because Telegram does not let it act here", "")
	resting := s.Get(access.Viewer, "/")
	if n := strings.Count(resting, "needs you"); n != 4 { // a service each that does not run
		t.Errorf("%d need a person in\n%s", n, resting)
	}
	exec(`UPDATE bots SET stopped_at = now(), stopped_why = 'Unauthorized'`)
	if n := strings.Count(s.Get(access.Viewer, "/"), "needs you"); n != 5 {
		t.Errorf("%d need a person where a token is refused", n)
	}
}
