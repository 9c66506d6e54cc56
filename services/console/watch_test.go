package console

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/chats"
	"github.com/chorus-cast/chorus/services/console/turns"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// club is a console before a database with a chat in which something has happened.
type club struct {
	t       testing.TB
	pool    *pgxpool.Pool
	chat    int64
	bot     int64
	keys    secret.Keyring
	handler http.Handler
	served  *Console
	turns   int64
}

func newClub(t testing.TB) *club {
	t.Helper()
	if test, ok := t.(*testing.T); ok {
		test.Parallel()
	}
	c := &club{t: t, pool: journaltest.Open(t)}
	c.bot = journaltest.Bot(t, c.pool, "anna")
	c.chat = journaltest.Chat(t, c.pool, "book-club", c.bot)
	key, err := secret.NewKey()
	if err == nil {
		c.keys, err = secret.ParseKeys(key.Reveal())
	}
	if err != nil {
		t.Fatal(err)
	}
	c.serve(c.pool)
	return c
}

// share serves a console that has so many connections to the database.
func (c *club) share(connections int32) {
	c.t.Helper()
	cfg := c.pool.Config()
	cfg.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(c.t.Context(), cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(pool.Close)
	c.serve(pool)
}

func (c *club) serve(pool *pgxpool.Pool) {
	served := newConsole(DefaultConfig(), Deps{
		Pool: pool, Keys: c.keys, Now: time.Now, Log: testenv.Logger(c.t),
		Words: func(_ *chorusv1.Turn, answered string) string { return "does something to " + answered },
		Outlook: func(_ context.Context, chat string) (chats.Outlook, error) {
			return chats.Outlook{Now: "a turn can be planned in " + chat}, nil
		},
	})
	pages := chi.NewRouter() // without logins: who asks stands in the context
	for _, area := range served.areas {
		area.Routes(pages)
	}
	c.handler, c.served = pages, served
}

func (c *club) exec(sql string, args ...any) {
	c.t.Helper()
	if _, err := c.pool.Exec(c.t.Context(), sql, args...); err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
}

// turn writes a turn that was planned ago, with an outcome; "" leaves it open. A non-empty
// text becomes its delivery, which is sent unless the turn is open.
func (c *club) turn(ago time.Duration, kind, outcome, text string, target int64) int64 {
	c.t.Helper()
	c.turns++
	planned, err := proto.Marshal(&chorusv1.Turn{
		Id: &chorusv1.TurnId{ChatId: c.chat, Number: c.turns}, BotId: c.bot, Emoji: "👍", TargetMessage: target,
		Reasons: []*chorusv1.Reason{{Rule: "target.question", Weight: 4.5, Detail: "asks"}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.exec(`
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, payload, planned_at, due_at, expires_at, outcome, closed_at, written_at, traceparent)
SELECT $1, $2, $3, $4, nullif($5, 0), $6, now() - $7::interval, now() - $7::interval - interval '1 second', now() + interval '1 minute', nullif($8, ''),
    CASE WHEN $8 <> '' THEN now() END, now(), '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'`,
		c.chat, c.turns, c.bot, kind, target, planned, ago, outcome)
	c.exec(`UPDATE chat_clock SET turn_no = $2 WHERE chat_id = $1`, c.chat, c.turns)
	if text == "" {
		return c.turns
	}
	c.exec(`
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at, body, state, outcome, closed_at)
SELECT $1, $2, $3, 'send_message', 'message', '', now() + interval '1 minute', $4, CASE WHEN $5 = '' THEN 'waiting' ELSE 'closed' END, nullif($5, ''),
    CASE WHEN $5 <> '' THEN now() END`, c.chat, c.turns, c.bot, text, outcome)
	if outcome == "delivered" {
		c.exec(`INSERT INTO messages (chat_id, bot_id, turn_no, body, sent_at, reply_to) VALUES ($1, $2, $3, $4, now() - $5::interval, nullif($6, 0))`,
			c.chat, c.bot, c.turns, text, ago, target)
	}
	return c.turns
}

// person writes a person's message and returns its number.
func (c *club) person(name, text string) (number int64) {
	c.t.Helper()
	c.exec(`INSERT INTO people (telegram_id, name) VALUES (77, $1) ON CONFLICT DO NOTHING`, name)
	if err := c.pool.QueryRow(c.t.Context(), `INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES ($1, 77, $2, now()) RETURNING number`,
		c.chat, text).Scan(&number); err != nil {
		c.t.Fatal(err)
	}
	return number
}

// as asks for a page as somebody of a role; 0 for nobody.
func (c *club) as(role access.Role, method, path string, form url.Values) *httptest.ResponseRecorder {
	c.t.Helper()
	ctx := c.t.Context()
	if role != 0 {
		ctx = access.With(ctx, &access.Principal{User: 1, Name: "tom", Role: role, Origin: "192.0.2.1", Via: "console"})
	}
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return w
}

// get is a page as a viewer sees it, which must be there.
func (c *club) get(format string, args ...any) string {
	c.t.Helper()
	path := fmt.Sprintf(format, args...)
	w := c.as(access.Viewer, http.MethodGet, path, nil)
	if w.Code != http.StatusOK {
		c.t.Fatalf("%s: %d: %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func (c *club) holds(page string, parts ...string) {
	c.t.Helper()
	for _, part := range parts {
		if !strings.Contains(page, part) {
			c.t.Errorf("the page lacks %q: %s", part, page)
		}
	}
}

func (c *club) lacks(page string, parts ...string) {
	c.t.Helper()
	for _, part := range parts {
		if strings.Contains(page, part) {
			c.t.Errorf("the page has %q: %s", part, page)
		}
	}
}

func TestWatchPages(t *testing.T) {
	c := newClub(t)
	asked := c.person("Mallory <b>", "<script>alert(1)</script>")
	said := c.turn(time.Minute, "reply", "delivered", "I <i>think</i> so.", asked)
	c.turn(time.Second, "reaction", "delivered", "", asked+1)
	dead := c.turn(time.Second, "message", "dead", "", 0)
	c.exec(`INSERT INTO dead_letters (chat_id, turn_no, service, reason, attempts) VALUES ($1, $2, 'generator', 'no <u>model</u>', 20)`, c.chat, dead)
	open := c.turn(time.Second, "message", "", "About to be said.", 0)

	page := c.get("/chats/%d", c.chat)
	c.holds(page, "a lively spell", "/cast/chats/book-club")
	c.exec(`UPDATE chat_clock SET lively = false`)
	c.holds(c.get("/chats/%d/state", c.chat), "a quiet spell")
	c.exec(`UPDATE chats SET enabled = false`)
	c.lacks(c.get("/chats/%d/state", c.chat), "a lively spell", "a quiet spell")
	c.exec(`UPDATE chats SET enabled = true`)
	c.holds(page, "&lt;script&gt;alert(1)&lt;/script&gt;", "Mallory &lt;b&gt;", "I &lt;i&gt;think&lt;/i&gt; so.", Path(c.chat, said), "👍",
		"a turn can be planned in book-club", "waits to be sent", "scale_factor", "a person")
	c.lacks(page, "<script>alert", "Mallory <b>", "<i>think")

	page = c.get("%s", Path(c.chat, said))
	c.holds(page, "target.question", "4.5", "asks", "delivered", "I &lt;i&gt;think&lt;/i&gt; so.", "&lt;script&gt;", "4bf92f3577b34da6a3ce929d0e0e4736",
		"does something to Mallory &lt;b&gt;", "text written")
	c.lacks(page, "Replay it", "End it")
	c.holds(page, "Nothing is kept: the guard objected to no draft, or it was longer than 7 days ago.", "/operate/settings?chat=book-club#keep_drafts", "None, or not written down yet.")
	c.holds(c.get("%s", Path(c.chat, dead)), "no &lt;u&gt;model&lt;/u&gt;", "20 attempts")
	c.holds(c.get("%s", Path(c.chat, open)), "About to be said.", "/live?chat=")

	c.holds(c.get("/"), "book-club", "1 dead turns", "No sender runs")
	c.holds(c.get("/chats?q=BOOK"), "book-club")
	c.holds(c.get("/chats?q=%%25"), "No chat has")
}

// A text of a model or a person that is shown never becomes markup, and the words that the
// guard objected to are marked in it as they stand there.
func TestHowATextWasWrittenIsShown(t *testing.T) {
	c := newClub(t)
	said := c.turn(time.Minute, "message", "delivered", "I am who I am.", 0)
	c.exec(`INSERT INTO llm_calls (at, purpose, chat_id, turn_no, provider, model, prompt_tokens, completion_tokens, cost, latency, outcome) VALUES
		(now(), 'text', $1, $2, 'cloud', 'big', 900, 30, 0.0021, '1.5 seconds', 'written'), (now(), 'rewrite', $1, $2, 'cloud', 'big', 950, 0, 0, '9 seconds', 'rate_limited')`, c.chat, said)
	c.exec(`INSERT INTO drafts (chat_id, turn_no, at, drafts) VALUES ($1, $2, now() - interval '1 hour', '[{"text": "The first time."}]')`, c.chat, said)
	c.exec(`INSERT INTO drafts (chat_id, turn_no, prompt, drafts) VALUES ($1, $2, '[{"role": "system", "text": "You are <b>anna</b>."}, {"role": "user", "text": "Tom: </pre><script>alert(1)</script>"}]',
		'[{"text": "Yes, I’m a Human <i>being</i>.", "rule": "human_claim", "reason": "It claims <u>that</u>.", "found": "i''m a human"},
		  {"text": "ｅｘａｍｐｌｅ", "rule": "link", "reason": "It has a link.", "found": "example<s>", "mended": true}, {"text": "I am who I am."}]')`, c.chat, said)
	c.exec(`INSERT INTO decisions (chat_id, turn_no, version, what, by, via, note, draft) VALUES
		($1, $2, 1, 'rewritten', 'Kim <b>', 'telegram', 'Shorter <u>now</u>.', NULL), ($1, $2, 2, 'edited', 'mia', 'api', '', ARRAY['Well <i>then</i>.', 'Go.'])`, c.chat, said)
	page := c.get("%s", Path(c.chat, said))
	c.holds(page, "Given back to be written again by Kim &lt;b&gt; in Telegram", "Shorter &lt;u&gt;now&lt;/u&gt;.", "Edited and sent by mia by the API", "Well &lt;i&gt;then&lt;/i&gt;.", ">Go.<",
		"rewritten by Kim &lt;b&gt;")
	c.holds(page, "Yes, <mark>I’m a Human</mark> &lt;i&gt;being&lt;/i&gt;.", "objected: human_claim", "It claims &lt;u&gt;that&lt;/u&gt;.", "It found <mark>example&lt;s&gt;</mark>.", "sent without that",
		"the guard had no objection", "You are &lt;b&gt;anna&lt;/b&gt;.", "Tom: &lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;", "<details>", "The first time.", "Written again",
		"cloud", "big", "rate limited", "1.5 s", "900 + 30", "0.00210")
	c.lacks(page, "kept", "<script>alert", "<i>being")
	api := chi.NewRouter()
	c.served.serveAPI(api)
	w := httptest.NewRecorder()
	who := access.With(t.Context(), &access.Principal{Name: "tom", Role: access.Viewer, Origin: "test", Via: "api"})
	api.ServeHTTP(w, httptest.NewRequestWithContext(who, http.MethodGet, "/api/v1"+Path(c.chat, said), nil))
	var told turns.Turn
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || len(told.Writings) != 2 || len(told.Calls) != 2 || len(told.Decisions) != 2 || told.Decisions[1].Draft[1] != "Go." || told.NotKept != "" {
		t.Fatalf("the API says %s: %v", w.Body, err)
	}
	if again := told.Writings[1]; len(again.Prompt) != 2 || len(again.Drafts) != 3 || again.Drafts[0].Found != "i'm a human" || !again.Drafts[1].Mended {
		t.Errorf("the API says %+v", again)
	}
	if first, again := strings.Index(page, "The first time."), strings.Index(page, "who I am."); first > strings.Index(page, "Yes, <mark>") || again < 0 {
		t.Error("the drafts are not in their order")
	}
}

// Path returns the path of a turn's page.
func Path(chat, number int64) string { return fmt.Sprintf("/chats/%d/turns/%d", chat, number) }

func TestTurnsAreFoundPageByPage(t *testing.T) {
	c := newClub(t)
	const all = 120
	for i := range all {
		outcome, kind := "delivered", "message"
		switch i % 10 {
		case 0:
			outcome = "rejected"
		case 1:
			outcome = ""
		}
		// Several are planned at the same moment.
		c.turn(time.Duration(all-i/3)*time.Minute, kind, outcome, fmt.Sprintf("line %d.", i), 0)
	}
	for filter, want := range map[string]int{
		"": all, "outcome=rejected": 12, "outcome=open": 12, "outcome=delivered": 96, fmt.Sprintf("chat=%d", c.chat): all,
		fmt.Sprintf("chat=%d&outcome=rejected&kind=message&bot=anna", c.chat): 12, "bot=anna&rule=target.question": all, "rule=target.questio": 0,
		"bot=nobody": 0, "kind=reply": 0, "text=LINE+7.": 1, "text=line+1": 31, "to=2020-01-01": 0, "from=2020-01-01&outcome=rejected": 12,
	} {
		seen, next := map[string]bool{}, "/turns?"+filter
		for next != "" {
			page := c.get("%s", next)
			links := regexp.MustCompile(`href="(/chats/\d+/turns/\d+)"`).FindAllStringSubmatch(page, -1)
			for _, link := range links {
				if seen[link[1]] {
					t.Errorf("%s: %s is there twice", filter, link[1])
				}
				seen[link[1]] = true
			}
			next = ""
			if more := regexp.MustCompile(`href="(/turns\?[^"]*before=[^"]*)"`).FindStringSubmatch(page); more != nil {
				next = html.UnescapeString(more[1])
			}
		}
		if len(seen) != want {
			t.Errorf("%q finds %d turns, want %d", filter, len(seen), want)
		}
	}
	for _, wrong := range []string{"outcome=lost", "kind=song", "from=yesterday", "before=1-2", "chat=x"} {
		if w := c.as(access.Viewer, http.MethodGet, "/turns?"+wrong, nil); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "want") {
			t.Errorf("%s: %d: %s", wrong, w.Code, w.Body)
		}
	}
}

func TestLinesComeOnce(t *testing.T) {
	c := newClub(t)
	for i := range 130 {
		c.person("Tom", fmt.Sprintf("line %d.", i))
	}
	seen, next := 0, fmt.Sprintf("/chats/%d", c.chat)
	for next != "" {
		page := c.get("%s", next)
		seen += strings.Count(page, `<li id="m`)
		next = ""
		if more := regexp.MustCompile(`hx-get="(/chats/\d+/lines\?before=\d+)"`).FindStringSubmatch(page); more != nil {
			next = more[1]
		}
	}
	if seen != 130 {
		t.Errorf("there are %d lines", seen)
	}
	page := c.get("/chats/%d", c.chat)
	at := regexp.MustCompile(`name="after" value="(\d+)"`).FindStringSubmatch(page)[1]
	follow := fmt.Sprintf("/chats/%d/lines?turn=0&since=0&after=", c.chat)
	if w := c.as(access.Viewer, http.MethodGet, follow+at, nil); w.Code != http.StatusNoContent {
		t.Errorf("nothing is new, but %d: %s", w.Code, w.Body)
	}
	number := c.person("Tom", "<em>new</em>")
	turn := c.turn(time.Second, "reaction", "delivered", "", number)
	page = c.get("%s%s", follow, at)
	c.holds(page, "&lt;em&gt;new&lt;/em&gt;", fmt.Sprintf(`hx-swap-oob="beforeend:#r%d"`, number), "👍", Path(c.chat, turn), fmt.Sprintf(`name="after" value="%d"`, number))
}

func TestTurnsAreReplayedAndEnded(t *testing.T) {
	c := newClub(t)
	dead := c.turn(time.Minute, "message", "dead", "", 0)
	c.exec(`INSERT INTO dead_letters (chat_id, turn_no, service, reason, attempts) VALUES ($1, $2, 'generator', 'no model', 20)`, c.chat, dead)
	one, two, three := c.turn(time.Minute, "message", "", "Wait.", 0), c.turn(time.Minute, "message", "", "Wait.", 0), c.turn(time.Minute, "message", "", "Sending.", 0)
	c.exec(`UPDATE deliveries SET state = 'sending', owner = 1, claimed_until = now() + interval '1 minute' WHERE turn_no = $1`, three)
	outcome := func(turn int64, want string) {
		t.Helper()
		var got string
		if err := c.pool.QueryRow(t.Context(), `SELECT coalesce(outcome, 'open') FROM turns WHERE turn_no = $1`, turn).Scan(&got); err != nil || got != want {
			t.Errorf("turn %d is %s, want %s: %v", turn, got, want, err)
		}
	}
	do := func(role access.Role, path string, count string) {
		t.Helper()
		if w := c.as(role, http.MethodPost, path, url.Values{"count": {count}}); w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d: %s", path, w.Code, w.Body)
		}
	}
	do(access.Editor, Path(c.chat, dead)+"/replay", "")
	outcome(dead, "dead")
	do(access.Director, Path(c.chat, dead)+"/replay", "")
	outcome(dead, "open")
	do(access.Director, Path(c.chat, one)+"/expire", "")
	outcome(one, "expired")

	c.holds(c.as(access.Director, http.MethodGet, "/turns/expire?outcome=open", nil).Body.String(), "<b>3</b>", `name="count"`)
	c.lacks(c.get("/turns/expire?outcome=open"), `name="count"`)
	do(access.Director, "/turns/expire?outcome=open", "2")
	do(access.Editor, "/turns/expire?outcome=open", "3")
	outcome(two, "open")
	do(access.Director, "/turns/expire?outcome=open", "3")
	outcome(two, "expired")
	outcome(dead, "expired")
	outcome(three, "open") // it is being sent

	var acts int
	if err := c.pool.QueryRow(t.Context(), `SELECT count(*) FROM audit_log WHERE actor = 'tom' AND result IS NOT NULL`).Scan(&acts); err != nil || acts != 4 {
		t.Errorf("%d acts are in the audit log: %v", acts, err)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	c := newClub(t)
	for path, want := range map[string]int{
		"/chats/999": http.StatusNotFound, "/chats/x": http.StatusNotFound, Path(c.chat, 99): http.StatusNotFound, "/chats/1/turns/x": http.StatusNotFound,
		fmt.Sprintf("/chats/%d/lines?after=x", c.chat): http.StatusUnprocessableEntity,
	} {
		if w := c.as(access.Viewer, http.MethodGet, path, nil); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	for _, path := range []string{"/", "/chats", "/turns", fmt.Sprintf("/chats/%d", c.chat), fmt.Sprintf("/chats/%d/lines?after=1", c.chat)} {
		if w := c.as(0, http.MethodGet, path, nil); w.Code != http.StatusSeeOther {
			t.Errorf("nobody sees %s: %d", path, w.Code)
		}
	}
}

// Pauses are shown on the first page and in the chat: who paused what, since when and until
// when.
func TestPausesAreTold(t *testing.T) {
	c := newClub(t)
	var chat int64
	if err := c.pool.QueryRow(t.Context(), `SELECT id FROM chats ORDER BY id LIMIT 1`).Scan(&chat); err != nil {
		t.Fatal(err)
	}
	c.exec(`INSERT INTO pauses (chat_id, bot_id, by, since, until) VALUES ($1, 0, '<Kim>', '2026-01-02 03:04:05Z', now() + interval '1 hour')`, chat)
	c.exec(`INSERT INTO pauses (chat_id, bot_id, by, since) SELECT 0, m.bot_id, 'Tom', '2026-01-02 03:04:06Z' FROM cast_members m WHERE m.chat_id = $1 ORDER BY 2 LIMIT 1`, chat)
	c.exec(`INSERT INTO pauses (chat_id, bot_id, by, since, until) VALUES (0, 0, 'Eve', now() - interval '2 hours', now() - interval '1 hour')`)
	c.exec(`
INSERT INTO chat_pauses (chat_id, paused_at) VALUES ($1, '2026-01-02 03:04:07Z')
ON CONFLICT (chat_id) DO UPDATE SET paused_at = EXCLUDED.paused_at, paused_until = NULL`, chat)
	for _, page := range []string{"/", fmt.Sprintf("/chats/%d", chat)} {
		body := c.as(access.Viewer, http.MethodGet, page, nil).Body.String()
		for _, want := range []string{
			"paused by &lt;Kim&gt; since 2026-01-02 03:04:05 until 2", "muted by Tom since 2026-01-02 03:04:06 until somebody ends it",
			"paused by an administrator of the chat since 2026-01-02 03:04:07 until somebody ends it",
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s does not say %q", page, want)
			}
		}
		if strings.Contains(body, "Eve") {
			t.Errorf("%s tells of a pause that is over", page)
		}
	}
}
