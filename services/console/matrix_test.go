package console

import (
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/access"
)

// operationOf is an operation as the OpenAPI document has it.
type operationOf struct {
	method, path, id string
	role             access.Role
	changes, spends  bool
}

// operations are all that the API documents.
func (c *running) operations() []operationOf {
	c.t.Helper()
	var all []operationOf
	for path, methods := range c.openAPI() {
		for method, o := range methods {
			role, err := access.ParseRole(o.Role)
			if err != nil {
				c.t.Errorf("%s %s needs no role: %v", method, path, err)
			}
			path := strings.NewReplacer("{id}", "999999").Replace(path)
			for strings.Contains(path, "{") {
				path = path[:strings.IndexByte(path, '{')] + "999999" + path[strings.IndexByte(path, '}')+1:]
			}
			all = append(all, operationOf{strings.ToUpper(method), path, o.ID, role, o.Changes, o.Spends})
		}
	}
	return all
}

// The role matrix covers each role and each operation of the API.
func TestRoleMatrix(t *testing.T) {
	c := serve(t, nil)
	all := c.operations()
	if want := len(c.set.All()); len(all) != want || want == 0 {
		t.Fatalf("the API documents %d operations of %d", len(all), want)
	}
	for _, role := range access.Roles() {
		c.user(role.String(), role)
		full, reading := c.program(role.String(), role.String(), false), c.program(role.String(), role.String(), true)
		session := c.login(role.String())
		for _, o := range all {
			for who, v := range map[string]*visitor{"token": full, "reading token": reading, "session": session} {
				allowed := role >= o.role && (!o.changes && !o.spends || who != "reading token")
				said := v.ask(o.method, o.path, "application/json", "{", "Sec-Fetch-Site: same-origin")
				if forbidden := said.StatusCode == http.StatusForbidden; said.StatusCode == http.StatusUnauthorized || forbidden == allowed {
					t.Errorf("%s by the %s of %s (needs %s): %d %s", o.id, who, role, o.role, said.StatusCode, said.text)
				}
			}
		}
	}
	for _, o := range all {
		for _, v := range []*visitor{c.visitor(), {c.visitor().Client, c, "chorus_" + strings.Repeat("x", 43)}} {
			if said := v.ask(o.method, o.path, "application/json", "{}"); said.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s by nobody: %d %s", o.id, said.StatusCode, said.text)
			}
		}
	}
}

// Operations that change nothing and cost nothing use GET, or are listed here with the reason.
func TestWhoOnlyReadsSpendsNothing(t *testing.T) {
	spends := map[string]bool{"run-checks": true, "draft-persona": true, "say-to-bot": true}
	reads := map[string]bool{"plan-cast": true} // it has a file to send, and asks nobody
	for _, o := range newConsole(DefaultConfig(), Deps{Log: zap.NewNop()}).set.All() {
		if o.Spends != spends[o.ID] {
			t.Errorf("%s spends: %t", o.ID, o.Spends)
		}
		if o.Method != http.MethodGet && !o.Changes && !o.Spends && !reads[o.ID] {
			t.Errorf("%s %s neither changes anything nor costs", o.Method, o.ID)
		}
	}
}

// A page of another origin can make no browser act.
func TestForeignOrigins(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Owner)
	v := c.login("anna")
	foreign := [][]string{
		{"Sec-Fetch-Site: cross-site"},
		{"Sec-Fetch-Site: same-site"},
		{"Origin: https://evil.example"},
		{"Origin: null"},
		{"Origin: " + c.server.URL + "1"},
		{"Sec-Fetch-Site: cross-site", "Origin: " + c.server.URL},
	}
	for _, headers := range foreign {
		for _, path := range []string{"/accounts/invitations", "/account/sessions", "/account/tokens", "/logout", "/login", "/join"} {
			if said := v.ask(http.MethodPost, path, "application/x-www-form-urlencoded", "role=owner", headers...); said.StatusCode != http.StatusForbidden {
				t.Errorf("POST %s with %v: %d", path, headers, said.StatusCode)
			}
		}
		for _, o := range c.set.All() {
			if o.Method == http.MethodGet {
				continue
			}
			if said := v.ask(o.Method, "/api/v1"+strings.ReplaceAll(o.Path, "{id}", "1"), "application/json", "{}", headers...); said.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %v: %d", o.ID, headers, said.StatusCode)
			}
		}
		if said := v.get("/live", headers...); said.StatusCode != http.StatusForbidden {
			t.Errorf("/live with %v: %d %s", headers, said.StatusCode, said.text)
		}
		if said := v.get("/", headers...); said.Header.Get("Access-Control-Allow-Origin") != "" || said.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("other origins can read: %v", said.Header)
		}
	}
	if !v.in() {
		t.Error("logged out")
	}
	if said := c.visitor().get("/live"); said.StatusCode != http.StatusUnauthorized {
		t.Errorf("/live without a login: %d", said.StatusCode)
	}
}
