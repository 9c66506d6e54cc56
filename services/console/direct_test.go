package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// Programs direct the chat that the path names.
func TestDirectingByTheAPI(t *testing.T) {
	c := serve(t, nil)
	bot := journaltest.Bot(t, c.Pool, "anna")
	journaltest.Chat(t, c.Pool, "other", bot)
	chat := journaltest.Chat(t, c.Pool, "club", bot)
	c.user("kim", access.Admin)
	v := c.program("kim", "admin", false)
	at := fmt.Sprintf("/api/v1/chats/%d", chat)
	for _, act := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodPost, at + "/speak", `{"topic": "the storm"}`, http.StatusOK},
		{http.MethodPut, at + "/scene", `{"text": "The storm hits.", "minutes": 20}`, http.StatusNoContent},
		{http.MethodPut, at + "/direction", `{"settings": {"style": "calm"}}`, http.StatusNoContent},
		{http.MethodPut, "/api/v1/chats/0/scene", `{"text": "The storm hits.", "minutes": 20}`, http.StatusNotFound},
	} {
		if said := v.ask(act.method, act.path, "application/json", act.body); said.StatusCode != act.want {
			t.Errorf("%s %s: %d %s, want %d", act.method, act.path, said.StatusCode, said.text, act.want)
		}
	}
	var done string
	if err := c.Pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM turns WHERE chat_id = $1) || ' ' || (SELECT body FROM scenes WHERE chat_id = $1)
|| ' ' || (SELECT value FROM settings WHERE scope_id = $1)`, chat).Scan(&done); err != nil || done != `1 The storm hits. "calm"` {
		t.Errorf("it is %s, %v", done, err)
	}
	for _, path := range []string{"/api/v1/audit", "/api/v1/audit/export"} {
		const other = `"operation":"speak"`
		all, some := v.get(path), v.get(path+"?text=set-scene")
		if !strings.Contains(all.text, other) || strings.Contains(some.text, other) || !strings.Contains(some.text, "set-scene") {
			t.Errorf("%s: %s, and with a text: %s", path, all.text, some.text)
		}
	}
}
