package cast_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/cast"
	"github.com/chorus-cast/chorus/services/console/consoletest"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/people/peopletest"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// site asks as an editor.
type site struct {
	*consoletest.Site

	t *testing.T
}

const example = `bots:
  - name: anna
    token: env:CHORUS_TOKEN_ANNA
    persona:
      display_name: Anna
      summary: She reads.
      tone: warm
chats:
  - name: club
    telegram_id: -1001
    topics:
      - tea
    cast:
      - anna
`

func open(t *testing.T, tools cast.Tools) *site {
	t.Helper()
	return &site{consoletest.Open(t, func(set *operation.Set, pages *page.Pages, s *consoletest.Site) interface{ Routes(r chi.Router) } {
		return cast.New(set, pages, cast.Deps{Pool: s.Pool, Keys: s.Keys, Tools: tools})
	}), t}
}

func (s *site) get(path string) string {
	s.t.Helper()
	return s.Get(access.Viewer, path)
}

// plan shows what a form changes.
func (s *site) plan(path string, form url.Values) (body string, confirm url.Values) {
	s.t.Helper()
	body = s.Send(access.Editor, http.StatusOK, path, form)
	return body, consoletest.Hidden(body)
}

func (s *site) confirm(form url.Values) {
	s.t.Helper()
	s.Send(access.Editor, http.StatusSeeOther, "/cast/apply", form)
}

// begin applies the example by its file, with a token that is new each time.
func (s *site) begin() (token string) {
	s.t.Helper()
	token = "4711:" + rand.Text()
	_, form := s.plan("/cast/bots/anna", url.Values{
		"persona.display_name": {"Anna"}, "persona.summary": {"She reads."}, "persona.tone": {"warm"}, "enabled": {"true"}, "token": {token},
	})
	s.confirm(form)
	_, form = s.plan("/cast/plan", url.Values{"file": {example}})
	s.confirm(form)
	return token
}

const summary = `SELECT summary FROM personas p JOIN bots b ON b.id = p.bot_id WHERE b.name = 'anna'`

func annaForm(summary string) url.Values {
	return url.Values{
		"persona.display_name": {"Anna"}, "persona.summary": {summary}, "persona.tone": {"warm"}, "enabled": {"true"}, "chats": {"club"},
		"stances[0].topic": {"tea"}, "stances[0].stance": {"Green, please."}, "stances[0].confidence": {"0.9"},
		"stances[1].topic": {""}, "stances[1].stance": {""}, "stances[1].confidence": {"0.5"},
	}
}

func TestAFormIsShownAppliedAndUndone(t *testing.T) {
	t.Parallel()
	s := open(t, cast.Tools{})
	s.begin()
	body, form := s.plan("/cast/bots/anna", annaForm("She <b>sails</b>."))
	for _, want := range []string{"bot anna", "persona.summary", "She reads.", "She &lt;b&gt;sails&lt;/b&gt;.", "stances[&#34;tea&#34;].stance"} {
		if !strings.Contains(body, want) {
			t.Errorf("the plan does not show %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, "persona.tone") || strings.Contains(body, "chat club") {
		t.Errorf("the plan shows what stays:\n%s", body)
	}
	if got := s.One(summary); got != "She reads." {
		t.Errorf("before it is confirmed she is %s", got)
	}
	s.confirm(form)
	if got := s.One(summary); got != "She <b>sails</b>." {
		t.Errorf("she is %s", got)
	}
	if body := s.get("/cast/bots/anna"); strings.Contains(body, "<b>sails") || !strings.Contains(body, "Green, please.") {
		t.Errorf("her page:\n%s", body)
	}
	last := s.One(`SELECT max(id) FROM cast_versions`)
	if by := s.One(`SELECT actor FROM cast_versions WHERE id = $1`, last); by != "ed" {
		t.Errorf("it is by %s", by)
	}
	if body := s.get("/cast/history"); !strings.Contains(body, "bot anna changed") {
		t.Errorf("the history:\n%s", body)
	}
	before := s.One(`SELECT id FROM cast_versions ORDER BY id DESC OFFSET 1 LIMIT 1`)
	_, asked := s.plan("/cast/plan", consoletest.Hidden(func() string { _, b := s.Ask(access.Editor, http.MethodGet, "/cast/history/"+before, nil); return b }()))
	s.confirm(asked)
	if got := s.One(summary) + s.One(`SELECT count(*) FROM stances`); got != "She reads.0" {
		t.Errorf("undone she is %s", got)
	}
}

func TestWhatHasChangedMeanwhileIsNotOverwritten(t *testing.T) {
	t.Parallel()
	s := open(t, cast.Tools{})
	s.begin()
	_, mine := s.plan("/cast/bots/anna", annaForm("Mine."))
	_, theirs := s.plan("/cast/bots/anna", annaForm("Theirs."))
	s.confirm(theirs)
	s.confirm(mine)
	if got := s.One(summary); got != "Theirs." {
		t.Errorf("she is %s", got)
	}
	if got := s.One(`SELECT result FROM audit_log ORDER BY id DESC LIMIT 1`); !strings.Contains(got, "changed meanwhile") {
		t.Errorf("the audit log says %s", got)
	}
}

func TestTokensAreSealedAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, cast.Tools{})
	token := s.begin()
	form := annaForm("She reads.")
	other := "4712:" + rand.Text()
	form.Set("token", other)
	body, confirm := s.plan("/cast/bots/anna", form)
	s.confirm(confirm)
	if got := s.One(`SELECT telegram_id FROM bots WHERE name = 'anna'`); got != "4712" {
		t.Errorf("the account is %s", got)
	}
	for _, page := range []string{body, s.get("/cast/bots/anna"), s.get("/cast/file"), s.get("/cast/history/" + s.One(`SELECT max(id) FROM cast_versions`))} {
		for _, secret := range []string{token, other} {
			if strings.Contains(page, secret) {
				t.Errorf("a page shows a token:\n%s", page)
			}
		}
	}
	for _, secret := range []string{token, other} {
		if places := peopletest.Tables(t, s.Pool, secret[5:]); len(places) > 0 {
			t.Errorf("a token stands in %v", places)
		}
	}
	if got := s.One(`SELECT string_agg(DISTINCT operation || ' ' || object, ', ') FROM audit_log WHERE input IS NULL`); !strings.Contains(got, "apply-cast bot anna") {
		t.Errorf("the audit log has %s", got)
	}
}

func TestReferencesThatLookAround(t *testing.T) {
	t.Parallel()
	s := open(t, cast.Tools{})
	s.begin()
	for _, ref := range []string{"file:/etc/passwd", "env:HOME"} {
		form := annaForm("She reads.")
		form.Set("token", ref)
		status, body := s.Ask(access.Editor, http.MethodPost, "/cast/bots/anna", form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, "only an admin may refer") {
			t.Errorf("%s: %d\n%s", ref, status, body)
		}
	}
}

func TestMistakesAreTold(t *testing.T) {
	t.Parallel()
	s := open(t, cast.Tools{})
	s.begin()
	form := annaForm("")
	form.Set("tempo", "fast")
	for path, c := range map[string]struct {
		form url.Values
		want string
	}{
		"/cast/bots/anna":  {form, "tempo"},
		"/cast/plan":       {url.Values{"file": {"bots: 3"}}, "line 1"},
		"/cast/new":        {url.Values{"name": {""}, "like": {"dry"}}, "name"},
		"/cast/bots/berta": {url.Values{"persona.display_name": {"B"}, "persona.summary": {"S"}}, "CHORUS_TOKEN_BERTA"},
	} {
		status, body := s.Ask(access.Editor, http.MethodPost, path, c.form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d, want it to say %q\n%s", path, status, c.want, body)
		}
	}
	for _, path := range []string{"/cast/bots/nobody", "/cast/chats/nowhere", "/cast/history/99"} {
		if status, _ := s.Ask(access.Editor, http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestWhoMayChangeTheCast(t *testing.T) {
	t.Parallel()
	s := open(t, cast.Tools{Say: func(context.Context, int64, int64, string) (string, error) { return "Yes.", nil }})
	s.begin()
	for path, form := range map[string]url.Values{
		"/cast/bots/anna": annaForm("x"), "/cast/plan": {"file": {example}}, "/cast/new": {"name": {"A"}, "like": {"b"}},
		"/cast/bots/anna/say": {"text": {"Hello?"}}, "/cast/chats/club": {"cast": {"anna"}, "telegram_id": {"-1001"}, "kind": {"group"}},
	} {
		if status, body := s.Ask(access.Viewer, http.MethodPost, path, form); status != http.StatusForbidden {
			t.Errorf("%s: a viewer gets %d\n%s", path, status, body)
		}
		if status, body := s.Ask(access.Editor, http.MethodPost, path, form); status != http.StatusOK {
			t.Errorf("%s: an editor gets %d\n%s", path, status, body)
		}
	}
	for _, path := range []string{"/cast/apply", "/cast/bots/anna/memories"} {
		s.Ask(access.Viewer, http.MethodPost, path, url.Values{"file": {example}, "kind": {"fact"}, "content": {"x"}, "relevance": {"1"}})
	}
	if got := s.One(`SELECT count(*) FROM memories`); got != "0" {
		t.Error("a viewer has given a memory")
	}
}

func TestANewPersonaInThreeFields(t *testing.T) {
	t.Parallel()
	asked := ""
	s := open(t, cast.Tools{
		Token: func(_ context.Context, b roster.Bot) (secret.String, error) {
			return secret.New(fmt.Sprintf("%d:made", b.Name[0])), nil
		},
		Chat: func(_ context.Context, c roster.Chat, _ []roster.Bot) (int64, error) { return c.TelegramID, nil },
		Say: func(_ context.Context, _, _ int64, text string) (string, error) {
			asked = text
			return "<i>Moss</i>", nil
		},
	})
	_, form := s.plan("/cast/plan", url.Values{"file": {example}})
	s.confirm(form)
	body, _ := s.plan("/cast/new", url.Values{"name": {"Vera Moss"}, "like": {"a dry botanist"}, "chat": {"club"}})
	if !strings.Contains(body, "/cast/bots/vera") || !strings.Contains(body, "Vera Moss is a dry botanist.") {
		t.Fatalf("the draft:\n%s", body)
	}
	body, form = s.plan("/cast/bots/vera", url.Values{
		"persona.display_name": {"Vera Moss"}, "persona.summary": {"Vera is a botanist."}, "persona.tone": {"dry"}, "enabled": {"true"}, "chats": {"club"},
	})
	if !strings.Contains(body, "made by the emulator") {
		t.Errorf("the plan:\n%s", body)
	}
	s.confirm(form)
	if got := s.One(`SELECT count(*) FROM cast_members`); got != "2" {
		t.Errorf("%s play in the club", got)
	}
	body, _ = s.plan("/cast/bots/vera/say", url.Values{"text": {"What grows here?"}})
	if asked != "What grows here?" || !strings.Contains(body, "&lt;i&gt;Moss") {
		t.Errorf("asked %q:\n%s", asked, body)
	}
	s.Ask(access.Editor, http.MethodPost, "/cast/bots/vera/memories", url.Values{"kind": {"fact"}, "content": {"She has a quokkaberry."}, "relevance": {"0.5"}})
	if body := s.get("/cast/bots/vera"); !strings.Contains(body, "quokkaberry") {
		t.Errorf("the memory is not shown:\n%s", body)
	}
	s.Ask(access.Editor, http.MethodPost, "/cast/bots/vera/memories/"+s.One(`SELECT id FROM memories`), nil)
	if places := peopletest.Tables(t, s.Pool, "quokkaberry"); len(places) > 0 {
		t.Errorf("forgotten, it stands in %v", places)
	}
	_, form = s.plan("/cast/bots/vera", url.Values{"remove": {"true"}})
	s.confirm(form)
	if got := s.One(`SELECT string_agg(name, ' ') FROM bots WHERE removed_at IS NULL`); got != "anna" {
		t.Errorf("%s are left", got)
	}
}

// A form may hold a token, so browsers must not cache its page.
func TestAFormThatIsWrongIsNotCached(t *testing.T) {
	t.Parallel()
	s := open(t, cast.Tools{})
	who := &access.Principal{Name: "ed", Role: access.Editor, Origin: "test", Via: "console"}
	r := httptest.NewRequestWithContext(access.With(t.Context(), who), http.MethodPost, "/cast/plan", strings.NewReader("file=bots"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	answer := w.Result()
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusUnprocessableEntity || answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Content-Type") == "" {
		t.Errorf("%d %v", answer.StatusCode, answer.Header)
	}
}
