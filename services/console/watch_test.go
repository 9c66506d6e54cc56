package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/chats"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// club is a console before a database with a chat in which something has happened.
type club struct {
	t       testing.TB
	pool    *pgxpool.Pool
	chat    int64
	bot     int64
	handler http.Handler
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
	served := newConsole(DefaultConfig(), Deps{
		Pool: c.pool, Now: time.Now, Log: testenv.Logger(t),
		Words: func(_ *chorusv1.Turn, answered string) string { return "does something to " + answered },
		Outlook: func(_ context.Context, chat string) (chats.Outlook, error) {
			return chats.Outlook{Now: "a turn can be planned in " + chat}, nil
		},
	})
	pages := chi.NewRouter() // without logins: who asks stands in the context
	for _, area := range served.areas {
		area.Routes(pages)
	}
	c.handler = pages
	return c
}

func (c *club) exec(sql string, args ...any) {
	c.t.Helper()
	if _, err := c.pool.Exec(c.t.Context(), sql, args...); err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
}

// turn writes a turn down that was planned so long ago, with an outcome; none for open. Its
// delivery has the text, if there is one, and was sent unless the turn is open.
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

// person writes a message, and gives its number.
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
	c.holds(page, "&lt;script&gt;alert(1)&lt;/script&gt;", "Mallory &lt;b&gt;", "I &lt;i&gt;think&lt;/i&gt; so.", Path(c.chat, said), "👍",
		"a turn can be planned in book-club", "waits to be sent", "scale_factor", "a person")
	c.lacks(page, "<script>alert", "Mallory <b>", "<i>think")

	page = c.get("%s", Path(c.chat, said))
	c.holds(page, "target.question", "4.5", "asks", "delivered", "I &lt;i&gt;think&lt;/i&gt; so.", "&lt;script&gt;", "4bf92f3577b34da6a3ce929d0e0e4736",
		"does something to Mallory &lt;b&gt;", "text written")
	c.lacks(page, "Replay it", "End it")
	c.holds(c.get("%s", Path(c.chat, dead)), "no &lt;u&gt;model&lt;/u&gt;", "20 attempts")
	c.holds(c.get("%s", Path(c.chat, open)), "About to be said.", "/live?chat=")

	c.holds(c.get("/"), "book-club", "1 dead turns", "No sender runs")
	c.holds(c.get("/chats?q=BOOK"), "book-club")
	c.holds(c.get("/chats?q=%%25"), "No chat has")
}

// Path is where a turn is shown.
func Path(chat, number int64) string { return fmt.Sprintf("/chats/%d/turns/%d", chat, number) }
