package console

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
)

// An edit of something that somebody else has changed meanwhile is refused with a message, and
// changes nothing.
func TestWhoEditsWhatHasChangedIsToldSo(t *testing.T) {
	for name, c := range map[string]struct {
		page, path string // the path is that of the form
		sql        string // what somebody else does
		form       url.Values
		value      string // reads what must be as somebody else has made it
		now        string // what is told of it
	}{
		"a setting of a chat": {
			"/operate/settings?chat=club", "/operate/settings", `INSERT INTO settings (key, scope, scope_id, value) SELECT 'reply_probability', 'chat', id, '0.7' FROM chats`,
			url.Values{"key": {"reply_probability"}, "chat": {"club"}, "value": {"0.2"}},
			`SELECT value::text FROM settings`, "now it is 0.7 (chat)",
		},
		"a budget": {
			"/operate/usage", "/operate/settings", `INSERT INTO settings (key, scope, scope_id, value) VALUES ('person_max_answers_per_hour', 'global', 0, '7')`,
			url.Values{"key": {"person_max_answers_per_hour"}, "value": {"9"}},
			`SELECT value::text FROM settings`, "now it is 7 (global)",
		},
		"a scene": {
			"/chats/1/direct/", "/chats/1/direct/scene", `INSERT INTO scenes (chat_id, body, by, ends_at) SELECT id, 'Rain', 'Kim', now() + interval '1 hour' FROM chats`,
			url.Values{"text": {"Snow"}, "minutes": {"20"}},
			`SELECT body FROM scenes`, `now it is "Rain", by Kim`,
		},
		"the end of a scene": {
			"/chats/1/direct/", "/chats/1/direct/scene/end", `INSERT INTO scenes (chat_id, body, by, ends_at) SELECT id, 'Rain', 'Kim', now() + interval '1 hour' FROM chats`,
			url.Values{},
			`SELECT body FROM scenes`, `now it is "Rain", by Kim`,
		},
		"an order": {
			"/chats/1/direct/", "/chats/1/direct/settings", `INSERT INTO settings (key, scope, scope_id, value) SELECT 'speaker_order', 'chat', id, '"manual"' FROM chats`,
			url.Values{"speaker_order": {"round_robin"}},
			`SELECT value::text FROM settings`, "speaker_order manual",
		},
		"a role": {
			"/accounts", "/accounts/USER", `UPDATE users SET role = 'editor' WHERE name = 'eve'`,
			url.Values{"role": {"director"}},
			`SELECT role FROM users WHERE name = 'eve'`, "now it is editor",
		},
		"for how long messages are kept": {
			"/people", "/people/retention", `UPDATE chats SET retention_days = 12`,
			url.Values{"chat": {"club"}, "days": {"99"}},
			`SELECT retention_days::text FROM chats`, "now it is 12 days",
		},
	} {
		t.Run(name, func(t *testing.T) {
			club := newClub(t)
			var user string
			club.exec(`INSERT INTO users (name, role) VALUES ('eve', 'viewer')`)
			club.exec(`UPDATE chats SET name = 'club'`)
			if err := club.pool.QueryRow(t.Context(), `SELECT id::text FROM users WHERE name = 'eve'`).Scan(&user); err != nil {
				t.Fatal(err)
			}
			place := strings.NewReplacer("/chats/1/", fmt.Sprintf("/chats/%d/", club.chat), "USER", user)
			seen := club.as(access.Owner, http.MethodGet, place.Replace(c.page), nil).Body.String()
			form := url.Values{"match": {matchIn(t, seen, place.Replace(c.path), c.form.Get("key"))}}
			maps.Copy(form, c.form)
			club.exec(c.sql)
			want := club.text(c.value)
			said := notice(t, club.as(access.Owner, http.MethodPost, place.Replace(c.path), form))
			if got := club.text(c.value); got != want {
				t.Errorf("%s was changed to %s", want, got)
			}
			if !strings.Contains(said, "changed since you looked") || !strings.Contains(said, c.now) {
				t.Errorf("it is told that %q, want %q", said, c.now)
			}
			form.Del("match")
			if said := notice(t, club.as(access.Owner, http.MethodPost, place.Replace(c.path), form)); strings.Contains(said, "since you looked") {
				t.Errorf("without what was seen: %s", said)
			}
		})
	}
}

// matchIn returns the version that the form with a path and a key sends along.
func matchIn(t *testing.T, body, path, key string) string {
	t.Helper()
	for _, form := range regexp.MustCompile(`(?s)<form.*?</form>`).FindAllString(body, -1) {
		if !strings.Contains(form, `action="`+path+`"`) || key != "" && !strings.Contains(form, `name="key" value="`+key+`"`) {
			continue
		}
		if m := regexp.MustCompile(`name="match" value="([^"]*)"`).FindStringSubmatch(form); m != nil {
			return html.UnescapeString(m[1])
		}
	}
	return operation.ETag(nil) // no scene is played, so there is none to end
}

func notice(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	for _, c := range w.Result().Cookies() {
		if c.Name == "notice" {
			text, err := base64.RawURLEncoding.DecodeString(c.Value)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
	}
	t.Fatalf("nothing is told: %d %s", w.Code, w.Body)
	return ""
}

func (c *club) text(sql string) (text string) {
	c.t.Helper()
	if err := c.pool.QueryRow(c.t.Context(), sql).Scan(&text); err != nil {
		c.t.Fatal(err)
	}
	return text
}

// The API has the same as If-Match, and answers 412.
func TestTheAPIHeedsIfMatch(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Owner)
	v := c.program("anna", "owner", false)
	put := func(match, value string) int {
		var headers []string
		if match != "" {
			headers = []string{"If-Match: " + match}
		}
		said := v.ask(http.MethodPut, "/api/v1/settings/reply_probability", "application/json", `{"value": "`+value+`"}`, headers...)
		if said.StatusCode == http.StatusPreconditionFailed && !strings.Contains(said.text, "now it is") {
			t.Errorf("the problem is %s", said.text)
		}
		return said.StatusCode
	}
	tag := func() string {
		var list struct {
			Settings []struct{ Key, ETag string }
		}
		if err := json.Unmarshal([]byte(v.get("/api/v1/settings").text), &list); err != nil {
			t.Fatal(err)
		}
		for _, s := range list.Settings {
			if s.Key == "reply_probability" {
				return s.ETag
			}
		}
		return ""
	}
	first := tag()
	if got := put(first, "0.5"); got != http.StatusNoContent {
		t.Errorf("as it was seen: %d", got)
	}
	if got := put(first, "0.6"); got != http.StatusPreconditionFailed {
		t.Errorf("as it was before: %d", got)
	}
	if got := put(`"x", `+tag(), "0.7"); got != http.StatusNoContent {
		t.Errorf("one of several: %d", got)
	}
	if got := put("", "0.8"); got != http.StatusNoContent {
		t.Errorf("without it: %d", got)
	}
}
