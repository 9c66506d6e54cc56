package console

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/account"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// running is a console that is served to a test's visitors.
type running struct {
	*Console

	t      testing.TB
	server *httptest.Server
	logged *observer.ObservedLogs

	mu    sync.Mutex
	ahead time.Duration
}

// now is the console's time.
func (c *running) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *running) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// serve serves a console with a database of its own. Change changes its configuration.
func serve(t testing.TB, change func(*Config)) *running {
	t.Helper()
	c := &running{t: t}
	core, logged := observer.New(zapcore.DebugLevel)
	c.logged = logged
	key, err := secret.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.ParseKeys(key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	c.server = httptest.NewUnstartedServer(nil)
	cfg.Listen = c.server.Listener.Addr().String()
	if change != nil {
		change(&cfg)
	}
	c.Console = newConsole(cfg, Deps{Pool: journaltest.Open(t), Keys: keys, Now: c.now, Log: zap.New(core)})
	c.server.Config.Handler = c.handler()
	c.server.Start()
	t.Cleanup(c.server.Close)
	return c
}

// visitor is a browser, or a program with a token.
type visitor struct {
	*http.Client

	c     *running
	token string
}

// visitor is somebody new. It follows no redirects.
func (c *running) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	transport := &http.Transport{}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &visitor{&http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, c, ""}
}

// answered is an answer that was read.
type answered struct {
	*http.Response

	text string
}

func (a *answered) location() string { return a.Header.Get("Location") }

// ask sends a request, with headers as "Name: value".
func (v *visitor) ask(method, path, kind, body string, headers ...string) *answered {
	v.c.t.Helper()
	r, err := http.NewRequestWithContext(v.c.t.Context(), method, v.c.server.URL+path, strings.NewReader(body))
	if err != nil {
		v.c.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if v.token != "" {
		r.Header.Set("Authorization", "Bearer "+v.token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := v.Do(r)
	if err != nil {
		v.c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.c.t.Fatal(err)
	}
	return &answered{resp, string(text)}
}

func (v *visitor) get(path string, headers ...string) *answered {
	v.c.t.Helper()
	return v.ask(http.MethodGet, path, "", "", headers...)
}

// post sends a form of names and values.
func (v *visitor) post(path string, fields ...string) *answered {
	v.c.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return v.ask(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode(), "Sec-Fetch-Site: same-origin")
}

// told is the notice that the next page shows.
func (v *visitor) told() string {
	v.c.t.Helper()
	found := regexp.MustCompile(`(?s)role="status">(.*?)<`).FindStringSubmatch(v.get("/login?again").text)
	if found == nil {
		return ""
	}
	return found[1]
}

// in reports whether the visitor is logged in.
func (v *visitor) in() bool {
	v.c.t.Helper()
	return v.get("/").StatusCode == http.StatusOK
}

// good is a password that nobody guesses, of a user.
func good(name string) string { return "correct horse of " + strings.ToUpper(name) + " 7%" }

// user adds a user of a role with the good password.
func (c *running) user(name string, role access.Role) int64 {
	c.t.Helper()
	link, err := account.Invite(c.t.Context(), c.Pool, role, "test", c.now().Add(time.Hour))
	if err != nil {
		c.t.Fatal(err)
	}
	v := c.visitor()
	if said := v.post("/join", "code", code(link), "name", name, "password", good(name)); said.location() != "/" {
		c.t.Fatalf("join: %d %s", said.StatusCode, said.text)
	}
	var id int64
	if err := c.Pool.QueryRow(c.t.Context(), `SELECT id FROM users WHERE name = $1`, name).Scan(&id); err != nil {
		c.t.Fatal(err)
	}
	return id
}

// code returns the code in a link.
func code(link string) string { return link[strings.Index(link, "#")+1:] }

// login is a visitor who has logged in.
func (c *running) login(name string) *visitor {
	c.t.Helper()
	v := c.visitor()
	if said := v.post("/login", "name", name, "password", good(name)); said.location() != "/" {
		c.t.Fatalf("log in: %d %s %s", said.StatusCode, said.location(), v.told())
	}
	return v
}

// program is a visitor with a token of a user.
func (c *running) program(name, role string, readOnly bool) *visitor {
	c.t.Helper()
	fields := []string{"name", "test", "role", role, "days", "30"}
	if readOnly {
		fields = append(fields, "read_only", "on")
	}
	found := regexp.MustCompile(`chorus_[\w-]+`).FindString(c.login(name).post("/account/tokens", fields...).text)
	if found == "" {
		c.t.Fatal("there is no token")
	}
	v := c.visitor()
	v.token = found
	return v
}

// openAPI returns the paths of the console's API.
func (c *running) openAPI() map[string]map[string]struct {
	ID      string `json:"operationId"`
	Role    string `json:"x-role"`
	Changes bool   `json:"x-changes"`
	Spends  bool   `json:"x-spends"`
} {
	c.t.Helper()
	var all struct {
		Paths map[string]map[string]struct {
			ID      string `json:"operationId"`
			Role    string `json:"x-role"`
			Changes bool   `json:"x-changes"`
			Spends  bool   `json:"x-spends"`
		} `json:"paths"`
	}
	c.user("reader", access.Viewer)
	if err := json.Unmarshal([]byte(c.login("reader").get("/api/openapi.json").text), &all); err != nil {
		c.t.Fatal(err)
	}
	return all.Paths
}

func (c *running) exec(sql string) {
	c.t.Helper()
	if _, err := c.Pool.Exec(c.t.Context(), sql); err != nil {
		c.t.Fatal(err)
	}
}

// database is all of a table's rows as text.
func database(t testing.TB, pool *pgxpool.Pool, table string) string {
	t.Helper()
	var text string
	if err := pool.QueryRow(t.Context(), `SELECT coalesce(string_agg(x::text, E'\n'), '') FROM `+table+` x`).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}
