package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// waits is a console with a text of two messages that waits as turn 1 of chat 1.
func waits(t *testing.T) *running {
	t.Helper()
	c := serve(t, nil)
	journaltest.Chat(t, c.Pool, "club", journaltest.Bot(t, c.Pool, "anna"))
	c.exec(`INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at, written_at, fence)
VALUES (1, 1, 1, 'message', '', now(), now(), now() + interval '1 hour', now(), 1)`)
	for i, text := range []string{"one", "two"} {
		payload, err := proto.Marshal(&chorusv1.Delivery{Id: &chorusv1.TurnId{ChatId: 1, Number: 1}, BotId: 1, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Pool.Exec(t.Context(), `INSERT INTO deliveries (chat_id, turn_no, part, bot_id, action, lane, payload, body, expires_at)
VALUES (1, 1, $1, 1, 'send_message', 'held', $2, $3, now() + interval '1 hour')`, i+1, payload, text); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *running) one(sql string) (text string) {
	c.t.Helper()
	if err := c.Pool.QueryRow(c.t.Context(), sql).Scan(&text); err != nil {
		c.t.Fatal(err)
	}
	return text
}

const waitsAs = `SELECT string_agg(concat_ws(' ', coalesce(t.outcome, 'open'), d.lane, d.body), ', ' ORDER BY part) FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no)`

// A program's decision on a held text takes effect once, if the caller has the right, and only
// on the version that it has seen.
func TestProgramsDecideOnTexts(t *testing.T) {
	const (
		seen    = `{"version": 1}`
		edited  = `{"version": 1, "text": "Three."}`
		noted   = `{"version": 1, "note": "Shorter."}`
		still   = "open held one, open held two"
		sent    = "open message one, open message two"
		expires = `UPDATE turns SET planned_at = now() - interval '2 hours', due_at = now() - interval '2 hours', expires_at = now() - interval '1 second'`
	)
	stale := "If-Match: " + operation.ETag(0)
	fresh := "If-Match: " + operation.ETag(1)
	for name, tc := range map[string]struct {
		role   access.Role // director, if not given
		path   string      // after /approvals/
		body   string
		header string
		before string // what happens before
		status int
		state  string
		says   string // of the problem
	}{
		"send":                     {path: "1/1/send", body: seen, status: 204, state: sent},
		"edit":                     {path: "1/1/edit", body: edited, status: 204, state: "open message Three."},
		"discard":                  {path: "1/1/discard", body: seen, status: 204, state: "rejected held one, rejected held two"},
		"write again":              {path: "1/1/rewrite", body: noted, status: 204, state: "open"},
		"as it was seen":           {path: "1/1/send", body: seen, header: fresh, status: 204, state: sent},
		"as it was before":         {path: "1/1/send", body: seen, header: stale, status: 412, state: still, says: "has changed since you looked"},
		"decided on since":         {path: "1/1/send", body: seen, header: fresh, before: `UPDATE turns SET fence = 2`, status: 412, state: still, says: "somebody has decided"},
		"another version":          {path: "1/1/send", body: `{"version": 2}`, status: 409, state: still, says: "somebody has decided"},
		"its time is over":         {path: "1/1/send", body: seen, before: expires, status: 409, state: still, says: "its time was over"},
		"its time is over, edited": {path: "1/1/edit", body: edited, before: expires, status: 409, state: still, says: "its time was over"},
		"an unknown turn":          {path: "1/9/discard", body: seen, status: 409, state: still, says: "somebody has decided"},
		"an unknown chat":          {path: "9/1/edit", body: edited, status: 404, state: still},
		"an unknown verb":          {path: "1/1/burn", body: seen, status: 404, state: still},
		"no number":                {path: "1/x/send", body: seen, status: 422, state: still},
		"no version":               {path: "1/1/send", body: `{}`, status: 422, state: still, says: "version"},
		"no text":                  {path: "1/1/edit", body: seen, status: 422, state: still, says: "text"},
		"an empty text":            {path: "1/1/edit", body: `{"version": 1, "text": " "}`, status: 422, state: still, says: "want a text"},
		"no note":                  {path: "1/1/rewrite", body: seen, status: 422, state: still, says: "note"},
		"a long note":              {path: "1/1/rewrite", body: fmt.Sprintf(`{"version": 1, "note": %q}`, strings.Repeat("a", 301)), status: 422, state: still, says: "300"},
		"a viewer":                 {role: access.Viewer, path: "1/1/send", body: seen, status: 403, state: still},
		"an editor":                {role: access.Editor, path: "1/1/discard", body: seen, status: 403, state: still},
		"an owner":                 {role: access.Owner, path: "1/1/send", body: seen, status: 204, state: sent},
	} {
		t.Run(name, func(t *testing.T) {
			c := waits(t)
			role := tc.role
			if role == 0 {
				role = access.Director
			}
			c.user("anna", role)
			v := c.program("anna", role.String(), false)
			if tc.before != "" {
				c.exec(tc.before)
			}
			headers := []string{"Idempotency-Key: k"}
			if tc.header != "" {
				headers = append(headers, tc.header)
			}
			decide := func(headers ...string) *answered {
				return v.ask(http.MethodPost, "/api/v1/approvals/"+tc.path, "application/json", tc.body, headers...)
			}
			said := decide(headers...)
			if said.StatusCode != tc.status || !strings.Contains(said.text, tc.says) {
				t.Errorf("it is answered with %d %s, want %d and %q", said.StatusCode, said.text, tc.status, tc.says)
			}
			if got := c.one(waitsAs); got != tc.state {
				t.Errorf("it is %s, want %s", got, tc.state)
			}
			if tc.status != http.StatusNoContent {
				return
			}
			if got := c.one(`SELECT by || ' ' || via FROM decisions`); got != "anna/test api" {
				t.Errorf("it is decided by %s", got)
			}
			// The same request again is the same answer, another one comes too late.
			if again := decide(headers...); again.StatusCode != tc.status {
				t.Errorf("asked again it is answered with %d %s", again.StatusCode, again.text)
			}
			if late := decide(); late.StatusCode != http.StatusConflict || !strings.Contains(late.text, "by anna/test already") {
				t.Errorf("decided on again it is answered with %d %s", late.StatusCode, late.text)
			}
			if got := c.one(`SELECT count(*)::text FROM decisions`); got != "1" || c.one(waitsAs) != tc.state {
				t.Errorf("there are %s decisions, and it is %s", got, c.one(waitsAs))
			}
		})
	}
}

// A program that may read only sees what waits, with what a decision has to name.
func TestProgramsSeeWhatWaits(t *testing.T) {
	c := waits(t)
	c.user("anna", access.Director)
	v := c.program("anna", "director", true)
	said := v.get("/api/v1/approvals")
	for _, part := range []string{`"parts":["one","two"]`, `"version":1`, fmt.Sprintf(`"etag":%q`, operation.ETag(1))} {
		if !strings.Contains(said.text, part) {
			t.Errorf("what waits lacks %s: %s", part, said.text)
		}
	}
	if denied := v.ask(http.MethodPost, "/api/v1/approvals/1/1/send", "application/json", `{"version": 1}`); denied.StatusCode != http.StatusForbidden {
		t.Errorf("it may decide: %d", denied.StatusCode)
	}
}
