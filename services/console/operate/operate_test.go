package operate_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/consoletest"
	"github.com/chorus-cast/chorus/services/console/operate"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/overview"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/status"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func open(t *testing.T) *consoletest.Site {
	t.Helper()
	return consoletest.Open(t, func(set *operation.Set, pages *page.Pages, s *consoletest.Site) interface{ Routes(r chi.Router) } {
		return operate.New(set, pages, operate.Deps{
			Pool: s.Pool, Keys: s.Keys,
			Check: func(context.Context) (preflight.Report, error) {
				return preflight.Report{Findings: []preflight.Finding{{Status: preflight.Failure, Check: "bot", Subject: "anna", Found: "<i>gone", Remedy: "ask BotFather"}}}, nil
			},
			Budgets: func(context.Context) ([]overview.Budget, error) {
				return []overview.Budget{{Provider: "alpha", Share: 0.5, Used: "half is used up"}}, nil
			},
		})
	})
}

func TestWhatIsSoNow(t *testing.T) {
	t.Parallel()
	s := open(t)
	bot := journaltest.Bot(t, s.Pool, "anna")
	chat := journaltest.Chat(t, s.Pool, "club", bot)
	s.Exec(`INSERT INTO waits (bot_id, chat_id, until) VALUES ($1, $2, now() + interval '1 hour')`, bot, chat)
	s.Exec(`UPDATE chat_clock SET waiting_for = 'asleep', waiting_since = now()`)
	alive := lease.New(s.Pool, lease.Sender, testenv.Logger(t))
	testenv.Background(t, alive.Run)
	testenv.Eventually(t, "it is held", func() (string, bool) { return "", alive.Held() })
	living, err := lease.Living(t.Context(), s.Pool)
	if err != nil || living[lease.Sender] != 1 || living[lease.Planner] != 0 {
		t.Errorf("%v live, %v", living, err)
	}
	body := s.Get(access.Viewer, "/operate")
	for _, want := range []string{"texts to write", "people to answer", "anna waits in club", "1 chat has no turns planned: asleep"} {
		if !strings.Contains(strings.Join(strings.Fields(body), " "), want) {
			t.Errorf("the page does not say %q:\n%s", want, body)
		}
	}
}

// Processes are asked when somebody opens the page, and not by one that is open.
func TestProcessesAreAsked(t *testing.T) {
	t.Parallel()
	cfg := bus.DefaultConfig()
	cfg.URL = testenv.NATS(t)
	b := bustest.Open(t, cfg)
	s := consoletest.Open(t, func(set *operation.Set, pages *page.Pages, s *consoletest.Site) interface{ Routes(r chi.Router) } {
		return operate.New(set, pages, operate.Deps{Pool: s.Pool, Bus: b})
	})
	for range 3 {
		alive := lease.New(s.Pool, lease.Sender, testenv.Logger(t))
		testenv.Background(t, alive.Run)
		testenv.Eventually(t, "it is held", func() (string, bool) { return "", alive.Held() })
	}
	var asked atomic.Int32
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, host := range []string{"one", "two"} {
		stop, err := status.Answer(b, func() status.Process {
			asked.Add(1)
			p := status.Process{
				Service: "sender", Host: host, Version: "v1 <b>", Commit: "0123456789abcdef", Started: at,
				Rests: []status.Rest{{Of: "groq", Why: "it says <i> so", Since: at, Until: at.Add(2 * time.Minute)}},
				Cache: &status.Cache{Hits: 3, Misses: 1, Values: 7, Bytes: 1 << 20, Redis: "does not answer", Hears: true},
			}
			for range 2 * status.MaxBreakers {
				p.Breakers = append(p.Breakers, status.Breaker{Of: "Telegram, anna, send_message", State: "open", Since: at, Next: at.Add(time.Minute)})
			}
			return p
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	body := s.Get(access.Viewer, "/operate")
	for _, want := range []string{"<td>one</td>", "v1 &lt;b&gt;", "0123456789<", "2026-01-02 03:04:05", "100 open", "2026-01-02 03:05:05", "<td>groq</td><td>it says &lt;i&gt; so</td><td>2026-01-02 03:04:05</td><td>2026-01-02 03:06:05</td>", "75.0 %", "1.0 MiB", "does not answer", "1 that live did not answer"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if n := strings.Count(body, "Telegram, anna"); n != 2*status.MaxBreakers {
		t.Errorf("%d breakers are told of", n)
	}
	if strings.Contains(body, "several builds") {
		t.Error("they are taken for several builds")
	}
	before := asked.Load()
	if body := s.Get(access.Viewer, "/operate/now"); !strings.Contains(body, `<div id="state">`) || strings.Contains(body, "<html") || asked.Load() != before {
		t.Errorf("an open page asks %d processes: %s", asked.Load()-before, body)
	}
}

func TestUsageIsPlotted(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 8 {
		chat := journaltest.Chat(t, s.Pool, "chat-"+string(rune('a'+i)))
		s.Exec(`
INSERT INTO llm_calls (at, purpose, chat_id, provider, prompt_tokens, cost, outcome) SELECT now(), 'text', $1, name, 100, $2::integer, 'written' FROM unnest(ARRAY['alpha', 'beta']) AS name`, chat, 8-i)
	}
	for page, want := range map[string][]string{
		"/operate/usage?days=7":         {"half is used up", "at most 72.0000", "at most 1600", `height="60"><title>`, `class="c1"`, "alpha", "36.0000, 800 tokens, 8 calls"},
		"/operate/usage?by=chat&days=7": {"at most 72.0000", "at most 16", "chat-e", "others", "12.0000, 600 tokens", `class="c5"`},
		"/operate/usage?by=day":         {"at most 72.0000", "all"},
	} {
		body := s.Get(access.Viewer, page)
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s has no %q:\n%s", page, text, body)
			}
		}
	}
	if status, _ := s.Ask(access.Viewer, http.MethodGet, "/operate/usage?by=moon", nil); status != http.StatusUnprocessableEntity {
		t.Errorf("got %d", status)
	}
}

// The use of limits by chats and people is shown beside the settings that set them, to those
// who may change these.
func TestBudgetsAreShownAndSet(t *testing.T) {
	t.Parallel()
	s := open(t)
	chat := journaltest.Chat(t, s.Pool, "club")
	s.Exec(`UPDATE chat_clock SET texts = 12, texts_day = (now() AT TIME ZONE 'UTC')::date`)
	s.Exec(`INSERT INTO people (telegram_id, name) VALUES (7, '<Tom>')`)
	s.Exec(`INSERT INTO answers (chat_id, message, person_id, planned_at) SELECT $1, n, 7, now() - n * interval '20 minutes' FROM generate_series(0, 4) n`, chat)
	body := s.Get(access.Director, "/operate/usage")
	for _, want := range []string{
		"messages today in club", "12 of 10000", "answers to people in the last hour in club", "3 of 60", "answers to &lt;Tom&gt; in the last hour", "3 of 20",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if body := s.Get(access.Viewer, "/operate/usage"); strings.Contains(body, ">Set<") {
		t.Error("a viewer is offered to set limits")
	}
	form := url.Values{"key": {"max_msgs_per_day"}, "chat": {"club"}, "value": {"10"}, "back": {"/operate/usage?by=&days=30"}}
	s.Send(access.Director, http.StatusSeeOther, "/operate/settings", form)
	if body := s.Get(access.Director, "/operate/usage"); !strings.Contains(body, `class="bad">12 of 10<`) {
		t.Errorf("the limit is not set:\n%s", body)
	}
}

func TestSettingsAreSetAndUnset(t *testing.T) {
	t.Parallel()
	s := open(t)
	journaltest.Chat(t, s.Pool, "club")
	const stored = `SELECT string_agg(scope || ' ' || value, ', ' ORDER BY scope) FROM settings`
	for _, c := range []struct {
		form url.Values
		want string
	}{
		{url.Values{"key": {"reply_probability"}, "value": {"0.8"}}, "global 0.8"},
		{url.Values{"key": {"reply_probability"}, "value": {"0.5"}, "chat": {"club"}}, "chat 0.5, global 0.8"},
		{url.Values{"key": {"reply_probability"}, "value": {"2"}}, "chat 0.5, global 0.8"},
		{url.Values{"key": {"reply_probability"}, "value": {"0.1"}, "chat": {"nowhere"}}, "chat 0.5, global 0.8"},
		{url.Values{"key": {"no_such"}, "value": {"1"}}, "chat 0.5, global 0.8"},
		{url.Values{"key": {"reply_probability"}, "unset": {"true"}}, "chat 0.5"},
	} {
		s.Send(access.Director, http.StatusSeeOther, "/operate/settings", c.form)
		if got := s.One(stored); got != c.want {
			t.Errorf("%v: %s, want %s", c.form, got, c.want)
		}
	}
	s.Send(access.Editor, http.StatusSeeOther, "/operate/settings", url.Values{"key": {"reply_probability"}, "value": {"1"}})
	if got := s.One(stored); got != "chat 0.5" {
		t.Errorf("an editor has set %s", got)
	}
	if got := s.One(`SELECT before::text || ' ' || result FROM audit_log WHERE operation = 'unset-setting'`); got != `"0.8" done` {
		t.Errorf("the audit log says %s", got)
	}
	body := s.Get(access.Viewer, "/operate/settings?chat=club")
	if !strings.Contains(body, `value="0.5"`) {
		t.Errorf("the page:\n%s", body)
	}
	for _, g := range settings.Groups() { // its entry in the contents leads to its heading
		_, id, _ := strings.Cut(body, `">`+g.Name+`</a>`)
		if at := strings.Index(id, `">`+g.Name+`</h2>`); at < 0 || strings.Count(body, `<a href="#about-`+strings.ReplaceAll(strings.ToLower(g.Name), " ", "-")+`">`) != 1 ||
			strings.Index(id, `id="`+g.Settings[0].Key+`"`) < at {
			t.Errorf("the group %s does not stand there", g.Name)
		}
	}
}

func TestChecksAndKeysAreForSome(t *testing.T) {
	t.Parallel()
	s := open(t)
	if body := s.Send(access.Director, http.StatusOK, "/operate/checks", nil); !strings.Contains(body, "&lt;i&gt;gone") || !strings.Contains(body, "ask BotFather") {
		t.Errorf("the checks:\n%s", body)
	}
	s.Send(access.Editor, http.StatusForbidden, "/operate/checks", nil)
	old, err := secret.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.ParseKeys(s.Keys.Keys()[0].Reveal() + "," + old.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	before, err := secret.ParseKeys(old.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := rosterpg.Tokens{Keyring: before}.Seal("anna", secret.New("4711:token"))
	if err != nil {
		t.Fatal(err)
	}
	bot := journaltest.Bot(t, s.Pool, "anna")
	s.Exec(`UPDATE bots SET token_sealed = $2 WHERE id = $1`, bot, sealed)
	s.Keys = keys
	authenticator, err := before.Seal([]byte("JBSWY3DP"), []byte("totp of user 1"))
	if err != nil {
		t.Fatal(err)
	}
	s.Exec(`INSERT INTO users (name, role, totp_sealed) VALUES ('kim', 'owner', $1)`, authenticator)
	both := consoletest.Open(t, func(set *operation.Set, pages *page.Pages, _ *consoletest.Site) interface{ Routes(r chi.Router) } {
		return operate.New(set, pages, operate.Deps{Pool: s.Pool, Keys: keys})
	})
	if status, _ := both.Ask(access.Director, http.MethodGet, "/operate/keys", nil); status != http.StatusForbidden {
		t.Errorf("a director sees the keys: %d", status)
	}
	if body := both.Get(access.Admin, "/operate/keys"); strings.Contains(body, old.Reveal()) || !strings.Contains(body, "1 tokens are sealed") ||
		!strings.Contains(strings.Join(strings.Fields(body), ""), old.ID()+`</code></td><td><spanclass="tag">opens</span></td><tdclass="number">1</td><tdclass="number">1</td>`) {
		t.Errorf("the keys:\n%s", body)
	}
	both.Send(access.Admin, http.StatusSeeOther, "/operate/keys", nil)
	if body := both.Get(access.Admin, "/operate/keys"); !strings.Contains(body, "1 tokens are sealed") {
		t.Error("sealed anew though nobody said that the services are ready")
	}
	both.Send(access.Admin, http.StatusSeeOther, "/operate/keys", url.Values{"ready": {"true"}})
	if body := both.Get(access.Admin, "/operate/keys"); !strings.Contains(body, "Every token is sealed with the first key") {
		t.Errorf("the keys:\n%s", body)
	}
	var now []byte
	if err := s.Pool.QueryRow(t.Context(), `SELECT totp_sealed FROM users`).Scan(&now); err != nil || keys.Stale(now) {
		t.Errorf("the old key still seals an authenticator, and may not go: %v", err)
	}
}
