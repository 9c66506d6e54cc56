package directing_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/consoletest"
	"github.com/chorus-cast/chorus/services/console/directing"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/direct"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// open is the page with anna, who is bot 1, in the club, which is chat 1.
func open(t *testing.T) *consoletest.Site {
	t.Helper()
	t.Parallel()
	s := consoletest.Open(t, func(set *operation.Set, pages *page.Pages, s *consoletest.Site) interface{ Routes(r chi.Router) } {
		return directing.New(set, pages, s.Pool, &direct.Director{Pool: s.Pool, Journal: journal.New(s.Pool)})
	})
	journaltest.Chat(t, s.Pool, "club", journaltest.Bot(t, s.Pool, "anna"))
	return s
}

func TestPausesAreNamed(t *testing.T) {
	s := open(t)
	want := map[string]url.Values{
		"everything":         {"chat": {"0"}, "bot": {"0"}},
		"the chat club":      {"chat": {"1"}, "bot": {"0"}},
		"anna, in all chats": {"chat": {"0"}, "bot": {"1"}},
		"anna, in club":      {"chat": {"1"}, "bot": {"1"}},
	}
	for _, form := range want {
		s.Send(access.Director, http.StatusSeeOther, "/direct/pause", form)
	}
	shown := s.Get(access.Viewer, "/direct")
	for name := range want {
		if !strings.Contains(shown, name) {
			t.Errorf("no pause of %s is shown", name)
		}
	}
}

func TestOrder(t *testing.T) {
	s := open(t)
	const path, state = "/chats/1/direct/settings", `SELECT string_agg(key || ' ' || value, ', ' ORDER BY key) FROM settings`
	s.Send(access.Director, http.StatusSeeOther, path, url.Values{"style": {"calm"}, "approval": {"approve"}})
	if got, want := s.One(state), `approval "approve", style "calm"`; got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
	s.Send(access.Director, http.StatusSeeOther, path, url.Values{"style": {"play"}, "approval": {"perhaps"}})
	if got, want := s.One(state), `approval "approve", style "calm"`; got != want {
		t.Errorf("what is wrong in a part has changed it to %s, want %s", got, want)
	}
}
