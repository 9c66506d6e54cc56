package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/console/access"
)

func TestUsersRule(t *testing.T) {
	c := serve(t, nil)
	id := map[string]int64{}
	for _, r := range access.Roles() {
		id[r.String()] = c.user(r.String(), r)
	}
	role := func(name string) (got string) {
		if err := c.Pool.QueryRow(t.Context(), `SELECT role || CASE WHEN disabled_at IS NULL THEN '' ELSE ' disabled' END FROM users WHERE id = $1`, id[name]).Scan(&got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	path := func(name string) string { return "/accounts/" + strconv.FormatInt(id[name], 10) }
	admin, owner := c.login("admin"), c.login("owner")

	for _, r := range []string{"owner", "admin"} {
		if said := admin.post("/accounts/invitations", "role", r); strings.Contains(said.text, "/join#") {
			t.Errorf("an admin invites an %s", r)
		}
		if admin.post(path("viewer"), "role", r); role("viewer") != "viewer" {
			t.Errorf("an admin makes an %s", r)
		}
		if admin.post(path(r), "role", "viewer"); role(r) != r {
			t.Errorf("an admin demotes an %s", r)
		}
		if said := admin.post(path(r) + "/link"); strings.Contains(said.text, "/join#") {
			t.Errorf("an admin gets the login of an %s", r)
		}
		if admin.post(path(r) + "/remove"); role(r) != r {
			t.Errorf("an admin removes an %s", r)
		}
	}
	for _, fields := range [][]string{{"role", "admin"}, {"disabled", "true"}} {
		if owner.post(path("owner"), fields...); role("owner") != "owner" {
			t.Errorf("the last owner has become %s by %v", role("owner"), fields)
		}
	}
	if owner.post(path("owner") + "/remove"); role("owner") != "owner" {
		t.Error("the last owner is removed")
	}

	editor, token := c.login("editor"), c.program("editor", "editor", false)
	if admin.post(path("editor"), "role", "viewer"); role("editor") != "viewer" || editor.in() {
		t.Error("a new role does not log out, or is none")
	}
	if said := token.get("/api/v1/users"); said.StatusCode != http.StatusForbidden {
		t.Errorf("a token is more than its user: %d", said.StatusCode)
	}
	if admin.post(path("editor"), "disabled", "true"); role("editor") != "viewer disabled" {
		t.Error(role("editor"))
	}
	if said := token.get("/api/v1/overview"); said.StatusCode != http.StatusUnauthorized {
		t.Errorf("the token of a disabled user: %d", said.StatusCode)
	}
	if v := c.visitor(); v.post("/login", "name", "editor", "password", good("editor")).location() == "/" {
		t.Error("a disabled user logs in")
	}
	link := between(t, admin.post(path("viewer")+"/link").text, `/join#`, "</pre>")
	owner.post(path("viewer"), "role", "admin")
	if said := c.visitor().post("/join", "code", link, "name", "viewer", "password", good("newer")); said.location() == "/" {
		t.Error("an admin's link for a viewer makes an admin")
	}
	owner.post(path("viewer"), "role", "viewer")
	link = between(t, admin.post(path("viewer")+"/link").text, `/join#`, "</pre>")
	if said := c.visitor().post("/join", "code", link, "name", "viewer", "password", good("newer")); said.location() != "/" {
		t.Errorf("a new login: %d %s", said.StatusCode, said.text)
	}
	if v := c.visitor(); v.post("/login", "name", "viewer", "password", good("viewer")).location() == "/" {
		t.Error("the old password holds")
	}
}

func TestInvitationsEndWithTheRole(t *testing.T) {
	c := serve(t, nil)
	c.user("olga", access.Owner)
	id := c.user("anna", access.Admin)
	said := c.program("anna", "admin", false).ask(http.MethodPost, "/api/v1/users/invitations", "application/json", `{"role": "director"}`)
	var made struct{ Link string }
	if err := json.Unmarshal([]byte(said.text), &made); err != nil || made.Link == "" {
		t.Fatalf("%d %s %v", said.StatusCode, said.text, err)
	}
	c.login("olga").post("/accounts/"+strconv.FormatInt(id, 10), "disabled", "true")
	if said := c.visitor().post("/join", "code", code(made.Link), "name", "mallory", "password", good("mallory")); said.location() == "/" {
		t.Error("the invitation of a disabled admin's token works")
	}
}

func TestTokens(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Admin)
	if said := c.login("anna").post("/account/tokens", "name", "x", "role", "owner", "days", "9"); strings.Contains(said.text, "chorus_") {
		t.Error("a token is more than its user")
	}
	if said := c.login("anna").post("/account/tokens", "name", "x", "role", "admin", "days", "366"); strings.Contains(said.text, "chorus_") {
		t.Error("a token lasts more than a year")
	}
	v := c.program("anna", "admin", true)
	if said := v.get("/api/v1/users"); said.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", said.StatusCode, said.text)
	}
	if said := v.get("/accounts"); said.StatusCode != http.StatusSeeOther {
		t.Errorf("a token opens pages: %d", said.StatusCode)
	}
	if strings.Contains(database(t, c.Pool, "user_tokens"), v.token) {
		t.Error("the database has the token itself")
	}
	c.pass(31 * 24 * 3600e9)
	if said := v.get("/api/v1/users"); said.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token that has ended: %d", said.StatusCode)
	}
}

// Passwords, codes, tokens and session keys appear in no log.
func TestSecretsStayOutOfLogs(t *testing.T) {
	c := serve(t, nil)
	first, err := c.accounts.FirstLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.visitor().post("/join", "code", code(first), "name", "anna", "password", good("anna"))
	v := c.login("anna")
	token := c.program("anna", "owner", false).token
	c.visitor().post("/login", "name", "my password, by mistake", "password", "the wrong password")
	v.post("/account/password", "old", good("anna"), "new", "another horse 42")
	invited := between(t, v.post("/accounts/invitations", "role", "viewer").text, "/join#", "</pre>")
	c.visitor().get("/api/v1/overview", "Authorization: Bearer "+token+"x")
	said := database(t, c.Pool, "audit_log")
	for _, entry := range c.logged.All() {
		text, err := json.Marshal(entry.ContextMap())
		if err != nil {
			t.Fatal(err)
		}
		said += entry.Message + string(text)
	}
	if !strings.Contains(said, "change-password") || !strings.Contains(said, "a login failed") {
		t.Error("not written down at all")
	}
	for _, secret := range []string{good("anna"), token, code(first), invited, "another horse 42", "the wrong password", "my password, by mistake"} {
		if strings.Contains(said, secret) {
			t.Errorf("a log has %q", secret)
		}
	}
}

// Each page keeps to a policy that lets no script or style stand in it.
func TestPagesKeepToThePolicy(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Owner)
	v := c.login("anna")
	routes, _ := c.server.Config.Handler.(chi.Routes)
	n := 0
	err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method != http.MethodGet || strings.Contains(route, "/api/") || strings.Contains(route, "*") || route == "/live" || route == "/mcp" {
			return nil
		}
		path := strings.ReplaceAll(route, "{id}", "1")
		for strings.Contains(path, "{") {
			path = path[:strings.IndexByte(path, '{')] + "1" + path[strings.IndexByte(path, '}')+1:]
		}
		said := v.get(path + "?again")
		n++
		policy := said.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || said.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: the policy is %q", path, policy)
		}
		for _, inline := range []string{" style=", "<style", " onclick=", " onload=", " onsubmit=", "javascript:", "hx-on"} {
			if strings.Contains(said.text, inline) {
				t.Errorf("%s has %s", path, inline)
			}
		}
		if strings.Count(said.text, "<script") != strings.Count(said.text, "<script src=\"/static/") {
			t.Errorf("%s has a script in it", path)
		}
		return nil
	})
	if err != nil || n < 6 {
		t.Errorf("%d pages: %v", n, err)
	}
}

// Whatever the API is asked for, it answers, and never that it is its own fault.
func TestAPIStandsAnything(t *testing.T) {
	c := serve(t, nil)
	all := c.openAPIText()
	c.user("anna", access.Owner)
	v := c.program("anna", "owner", false)
	rapid.Check(t, func(t *rapid.T) {
		o := rapid.SampledFrom(all).Draw(t, "operation")
		path := o.path
		for strings.Contains(path, "{") {
			value := rapid.OneOf(rapid.Just("1"), rapid.Just("-9223372036854775808"), rapid.String(), rapid.StringMatching(`[0-9]{1,25}`)).Draw(t, "path")
			path = path[:strings.IndexByte(path, '{')] + url.PathEscape(value) + path[strings.IndexByte(path, '}')+1:]
		}
		query := url.Values{}
		for _, name := range o.query {
			if rapid.Bool().Draw(t, "given") {
				query.Set(name, rapid.OneOf(rapid.String(), rapid.StringMatching(`-?[0-9]{1,20}`), rapid.Just("\x00")).Draw(t, name))
			}
		}
		body := ""
		if o.method != http.MethodGet {
			if body = object(t, o.fields); rapid.IntRange(0, 3).Draw(t, "no object") == 0 {
				body = rapid.String().Draw(t, "body")
			}
		}
		said := v.ask(o.method, path+"?"+query.Encode(), "application/json", body)
		if said.StatusCode >= http.StatusInternalServerError {
			t.Fatalf("%s %s?%s %s: %d %s", o.method, path, query.Encode(), body, said.StatusCode, said.text)
		}
	})
}

// object is JSON with some of the fields that are known.
func object(t *rapid.T, fields []string) string {
	made := map[string]any{}
	for _, f := range fields {
		made[f] = rapid.OneOf(
			rapid.Map(rapid.String(), func(s string) any { return s }), rapid.Map(rapid.Int64(), func(n int64) any { return n }),
			rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Just[any](nil), rapid.Just[any]("\x00"), rapid.Just[any](1e300),
			rapid.Map(rapid.SampledFrom([]string{"owner", "viewer", "x"}), func(s string) any { return s }),
		).Draw(t, f)
		if rapid.IntRange(0, 3).Draw(t, "left out") == 0 {
			delete(made, f)
		}
	}
	text, _ := json.Marshal(made)
	return string(text)
}

type described struct {
	method, path  string
	query, fields []string
}

// openAPIText returns the texts of the API's description that reach users.
func (c *running) openAPIText() []described {
	c.t.Helper()
	type schema struct {
		Ref        string                     `json:"$ref"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var doc struct {
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, In string }
			Body       struct {
				Content map[string]struct {
					Schema schema `json:"schema"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
	}
	c.user("fuzz", access.Viewer)
	if err := json.Unmarshal([]byte(c.login("fuzz").get("/api/openapi.json").text), &doc); err != nil {
		c.t.Fatal(err)
	}
	var all []described
	for path, methods := range doc.Paths {
		for method, o := range methods {
			d := described{method: strings.ToUpper(method), path: path}
			for _, p := range o.Parameters {
				if p.In == "query" {
					d.query = append(d.query, p.Name)
				}
			}
			for _, content := range o.Body.Content {
				of := doc.Components.Schemas[strings.TrimPrefix(content.Schema.Ref, "#/components/schemas/")]
				for name := range of.Properties {
					d.fields = append(d.fields, name)
				}
			}
			slices.Sort(d.fields)
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b described) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return all
}
