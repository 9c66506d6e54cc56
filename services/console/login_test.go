package console

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/pquerna/otp/totp"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/account"
	"github.com/chorus-cast/chorus/services/console/account/credential"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Every route is closed, but those of the way in.
func TestFirstVisitorCanDoNothing(t *testing.T) {
	c := serve(t, nil)
	open := map[string]bool{
		"GET /static/*": true, "GET /login": true, "POST /login": true, "POST /login/code": true, "GET /join": true, "POST /join": true, "POST /logout": true,
		"POST /login/passkey/begin": true, "POST /login/passkey": true, "GET /login/oidc": true, "GET /login/oidc/callback": true,
	}
	routes, _ := c.server.Config.Handler.(chi.Routes)
	before := database(t, c.Pool, "users") + database(t, c.Pool, "user_tokens") + database(t, c.Pool, "user_passkeys")
	n := 0
	err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		n++
		path := strings.NewReplacer("*", "x", "{id}", "1").Replace(route)
		if i := strings.IndexByte(path, '{'); i >= 0 {
			path = path[:i] + "1"
		}
		said := c.visitor().ask(method, path, "application/x-www-form-urlencoded", "", "Sec-Fetch-Site: same-origin")
		closed := said.StatusCode == http.StatusUnauthorized || said.StatusCode == http.StatusSeeOther && strings.HasPrefix(said.location(), "/login?next=")
		if closed == open[method+" "+route] {
			t.Errorf("%s %s answers %d %s", method, route, said.StatusCode, said.location())
		}
		return nil
	})
	if err != nil || n < 20 {
		t.Fatalf("walked %d routes: %v", n, err)
	}
	for _, path := range []string{"/no/such/page", "/api/v1/none", "/mcp", "/mcp/x", "/live", "//", "/login/../accounts"} {
		if said := c.visitor().get(path); said.StatusCode == http.StatusOK && !strings.Contains(said.text, "Log in") {
			t.Errorf("%s answers %d", path, said.StatusCode)
		}
	}
	if after := database(t, c.Pool, "users") + database(t, c.Pool, "user_tokens") + database(t, c.Pool, "user_passkeys"); after != before {
		t.Error("a visitor has made something")
	}
}

func TestFirstLink(t *testing.T) {
	c := serve(t, nil)
	first, err := c.accounts.FirstLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.accounts.FirstLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	join := func(link, name string) int {
		return c.visitor().post("/join", "code", code(link), "name", name, "password", good(name)).StatusCode
	}
	if got := join(first, "eve"); got != http.StatusUnprocessableEntity {
		t.Errorf("the link of the start before: %d", got)
	}
	if strings.Contains(database(t, c.Pool, "user_invitations"), code(second)) {
		t.Error("the database has the link itself")
	}
	c.pass(25 * time.Hour)
	if got := join(second, "eve"); got != http.StatusUnprocessableEntity {
		t.Errorf("a link a day later: %d", got)
	}
	third, err := c.accounts.FirstLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := join(third, "anna"); got != http.StatusSeeOther {
		t.Errorf("the link: %d", got)
	}
	if got := join(third, "eve"); got != http.StatusUnprocessableEntity {
		t.Errorf("the link again: %d", got)
	}
	if link, err := c.accounts.FirstLink(t.Context()); link != "" || err != nil {
		t.Errorf("with a user there is a first link: %q, %v", link, err)
	}
	if got := database(t, c.Pool, "users"); !strings.Contains(got, "anna,owner") || strings.Contains(got, "eve") {
		t.Error(got)
	}
}

func TestPasswords(t *testing.T) {
	for password, ok := range map[string]bool{
		"short": false, "password1234": false, "Chorus-Chorus-1": false, "aaaaaaaaaaaaaaaa": false, "annalena-annalena": false, "1234567890123": false,
		strings.Repeat("long ", 60): false, "correct horse battery": true, "пароль который длинный": true,
	} {
		if err := credential.Acceptable(password, "Annalena"); (err == nil) != ok {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestLogin(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Owner)
	cookies := func(v *visitor) string {
		u, _ := url.Parse(c.server.URL)
		for _, cookie := range v.Jar.Cookies(u) {
			if cookie.Name == "chorus" {
				return cookie.Value
			}
		}
		return ""
	}

	t.Run("wrong", func(t *testing.T) {
		v := c.visitor()
		var said [2]string
		for i, name := range []string{"anna", "nobody"} {
			if v.post("/login", "name", name, "password", "wrong password").location() != "/login" || v.in() {
				t.Error("a wrong password logs in")
			}
			said[i] = v.told()
		}
		if said[0] != said[1] || said[0] == "" {
			t.Errorf("names can be told from what is said: %q", said)
		}
	})
	t.Run("right, and out again", func(t *testing.T) {
		v := c.login("ANNA")
		other := c.login("anna")
		held := cookies(v)
		if !v.in() || strings.Contains(database(t, c.Pool, "sessions"), held) {
			t.Error("not logged in, or the database has the session's token itself")
		}
		v.post("/logout")
		if v.in() || !other.in() {
			t.Error("log-out ends none or all")
		}
		if said := c.visitor().get("/", "Cookie: chorus="+held); said.StatusCode == http.StatusOK {
			t.Error("the old session holds")
		}
	})
	t.Run("fixed session", func(t *testing.T) {
		if said := c.visitor().get("/login", "Cookie: chorus=chosen-by-eve"); said.Header.Get("Set-Cookie") != "" {
			t.Error("a session that somebody invented is taken up")
		}
		v := c.visitor()
		v.post("/login/passkey/begin") // makes a session before the login
		before := cookies(v)
		v.post("/login", "name", "anna", "password", good("anna"))
		if after := cookies(v); before == "" || after == before || !v.in() {
			t.Errorf("the session before the login is that after it: %q %q", before, after)
		}
		if said := c.visitor().get("/", "Cookie: chorus="+before); said.StatusCode == http.StatusOK {
			t.Error("the session before the login is logged in")
		}
	})
	t.Run("where to", func(t *testing.T) {
		for next, want := range map[string]string{
			"/turns?chat=1": "/turns?chat=1", "https://evil.example/": "/", "//evil.example/": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "/\r\nSet-Cookie: x=y": "/",
		} {
			if got := c.visitor().post("/login", "name", "anna", "password", good("anna"), "next", next).location(); got != want {
				t.Errorf("next %q leads to %q", next, got)
			}
		}
		v := c.login("anna")
		if got := v.get("/login?next=" + url.QueryEscape("//evil.example")).location(); got != "/" {
			t.Errorf("who is logged in is led to %q", got)
		}
	})
	t.Run("log out everywhere", func(t *testing.T) {
		v, other := c.login("anna"), c.login("anna")
		v.post("/account/sessions")
		if !v.in() || other.in() {
			t.Error("want this session only")
		}
	})
	t.Run("too old", func(t *testing.T) {
		v := c.login("anna")
		if _, err := c.Pool.Exec(t.Context(), `UPDATE sessions SET expiry = now() - interval '1 second'`); err != nil {
			t.Fatal(err)
		}
		if v.in() {
			t.Error("an expired session holds")
		}
	})
}

// A request that is under way when its session ends does not write it anew.
func TestEndedSessionStaysEnded(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Owner)
	v := c.login("anna")
	reading, err := c.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reading.Exec(t.Context(), `LOCK TABLE users IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	var slow sync.WaitGroup
	slow.Go(func() { v.get("/") })
	waits := func() (n int) {
		if err := c.Pool.QueryRow(t.Context(), `
SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&n); err != nil {
			t.Error(err)
			return 1
		}
		return n
	}
	for waits() == 0 {
		runtime.Gosched()
	}
	if _, err := c.Pool.Exec(t.Context(), `DELETE FROM sessions`); err != nil {
		t.Fatal(err)
	}
	if err := reading.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	slow.Wait()
	if v.in() {
		t.Error("the session is back")
	}
}

func TestSecureCookie(t *testing.T) {
	c := serve(t, func(cfg *Config) { cfg.PublicURL = "https://chorus.example.org" })
	c.user("anna", access.Owner)
	said := c.visitor().post("/login", "name", "anna", "password", good("anna"))
	for _, want := range []string{"__Host-chorus=", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
		if got := said.Header.Get("Set-Cookie"); !strings.Contains(got, want) || strings.Contains(got, "Domain") {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	if said.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS")
	}
}

func TestGuessingIsSlowed(t *testing.T) {
	c := serve(t, func(cfg *Config) { cfg.ForwardedFor = true })
	c.user("anna", access.Owner)
	c.user("bert", access.Viewer)
	from := func(address, name, password string) bool {
		v := c.visitor()
		v.ask(http.MethodPost, "/login", "application/x-www-form-urlencoded", url.Values{"name": {name}, "password": {password}}.Encode(), "X-Forwarded-For: "+address)
		return v.in()
	}
	t.Run("of a name, from many addresses", func(t *testing.T) {
		for i := range 20 {
			from(fmt.Sprintf("203.0.113.%d", i), "anna", "guess")
		}
		if from("198.51.100.1", "anna", good("anna")) {
			t.Error("the right password counts while the name has to wait")
		}
		if !from("198.51.100.1", "bert", good("bert")) {
			t.Error("others have to wait, too")
		}
		c.pass(6 * time.Minute)
		if !from("198.51.100.2", "anna", good("anna")) {
			t.Error("the name has to wait for ever")
		}
	})
	t.Run("of many names, from a network", func(t *testing.T) {
		for i := range 20 {
			from(fmt.Sprintf("2001:db8::%d", i), fmt.Sprintf("name%d", i), "guess")
		}
		if from("2001:db8::ffff", "bert", good("bert")) {
			t.Error("the network goes on")
		}
		if !from("2001:db8:1::1", "bert", good("bert")) {
			t.Error("other networks have to wait, too")
		}
		c.pass(16 * time.Minute)
		if !from("2001:db8::ffff", "bert", good("bert")) {
			t.Error("the network has to wait for ever")
		}
	})
	t.Run("at once", func(t *testing.T) {
		c.pass(48 * time.Hour)
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() { from("192.0.2.9", "anna", "guess") })
		}
		all.Wait()
		var failures int
		if err := c.Pool.QueryRow(t.Context(), `SELECT failures FROM login_failures WHERE who = 'address 192.0.2.9'`).Scan(&failures); err != nil || failures > 8 {
			t.Errorf("%d guesses at once counted, %v", failures, err)
		}
	})
}

// Logins that are begun and never completed can't fill a table.
func TestBegunLoginsAreThrottled(t *testing.T) {
	p := newProvider(t)
	c := serve(t, func(cfg *Config) {
		cfg.ForwardedFor, cfg.OIDC = true, account.OIDC{Issuer: p.URL, ClientID: "chorus", Role: "viewer"}
	})
	for i, way := range []struct{ method, path string }{{http.MethodPost, "/login/passkey/begin"}, {http.MethodGet, "/login/oidc"}} {
		from := fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i)
		begin := func() string {
			said := c.visitor().ask(way.method, way.path, "", "", from, "Sec-Fetch-Site: same-origin")
			return said.Header.Get("Set-Cookie")
		}
		rows := func() (n int) {
			if err := c.Pool.QueryRow(t.Context(), `SELECT count(*) FROM sessions`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := rows()
		for range 30 {
			begin()
		}
		if n := rows() - before; n == 0 || n > 8 {
			t.Errorf("%s: %d sessions are written for 30 visitors of an address", way.path, n)
		}
		c.pass(16 * time.Minute)
		if !strings.Contains(begin(), "chorus=") {
			t.Errorf("%s: the address has to wait for ever", way.path)
		}
	}
}

func TestCodes(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Owner)
	v := c.login("anna")
	shown := between(t, v.post("/account/codes/begin").text, `<pre class="secret">`, "</pre>")
	at := func() string {
		said, err := totp.GenerateCode(shown, c.now())
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	if v.post("/account/codes", "code", "000000"); strings.Contains(v.get("/account").text, "Turn off") {
		t.Fatal("a wrong code turns codes on")
	}
	v.post("/account/codes", "code", at())
	if !strings.Contains(v.get("/account").text, "Turn off") || strings.Contains(database(t, c.Pool, "users")+database(t, c.Pool, "sessions"), shown) {
		t.Fatal("codes are not on, or the secret is not sealed")
	}
	used := at()
	enter := func(said string) *visitor {
		v := c.visitor()
		v.post("/login", "name", "anna", "password", good("anna"))
		if v.in() {
			t.Fatal("the password alone logs in")
		}
		v.post("/login/code", "code", said)
		return v
	}
	if enter(used).in() {
		t.Error("a code counts twice")
	}
	c.pass(time.Minute)
	if enter(fmt.Sprintf("%06d", 1)).in() || !enter(at()).in() {
		t.Error("a wrong code logs in, or a right one does not")
	}
	if c.visitor().post("/login/code", "code", at()).location() == "/" {
		t.Error("a code without a password logs in")
	}
	other, err := secret.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	both, err := secret.ParseKeys(other.Reveal() + "," + c.Keys.Keys()[0].Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if err := account.Reseal(t.Context(), c.Pool, both); err != nil {
		t.Fatal(err)
	}
	if c.accounts.Keys, err = secret.ParseKeys(other.Reveal()); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Minute)
	if !enter(at()).in() {
		t.Error("a code does not hold after the keys were rotated")
	}
	guesses := c.visitor()
	guesses.post("/login", "name", "anna", "password", good("anna"))
	for range 6 {
		guesses.post("/login/code", "code", "123123")
	}
	c.pass(time.Hour)
	if guesses.post("/login/code", "code", at()); guesses.in() {
		t.Error("codes can be guessed without the password again")
	}
}

// A user who is disabled, removed or given a new login during their login gets the response of
// a wrong password.
func TestDisabledInMidLogin(t *testing.T) {
	wrong := "the name or the password is wrong"
	for name, what := range map[string]string{
		"disabled":          `UPDATE users SET disabled_at = now() WHERE name = 'anna'`,
		"removed":           `DELETE FROM users WHERE name = 'anna'`,
		"given a new login": `UPDATE users SET totp_sealed = NULL WHERE name = 'anna'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, nil)
			c.user("anna", access.Owner)
			refused := func(v *visitor) {
				t.Helper()
				if told := v.told(); v.in() || !strings.Contains(told, wrong) {
					t.Errorf("it is told %q", told)
				}
				if failed := c.logged.FilterLevelExact(zap.ErrorLevel).All(); len(failed) > 0 {
					t.Error(failed)
				}
			}
			if name != "given a new login" { // its password counts
				// The last step before the session is the user's.
				c.exec(`CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + what + `; RETURN OLD; END $$`)
				c.exec(`CREATE TRIGGER meanwhile BEFORE DELETE ON login_failures FOR EACH ROW EXECUTE FUNCTION meanwhile()`)
				v := c.visitor()
				v.post("/login", "name", "anna", "password", good("anna"))
				refused(v)
				c.exec(`DROP TRIGGER meanwhile ON login_failures`)
				c.exec(`DELETE FROM users`)
				c.user("anna", access.Owner)
			}
			v := c.login("anna")
			shown := between(t, v.post("/account/codes/begin").text, `<pre class="secret">`, "</pre>")
			at := func() string {
				said, err := totp.GenerateCode(shown, c.now())
				if err != nil {
					t.Fatal(err)
				}
				return said
			}
			v.post("/account/codes", "code", at())
			c.pass(time.Minute)
			v = c.visitor()
			v.post("/login", "name", "anna", "password", good("anna"))
			c.exec(what)
			v.post("/login/code", "code", at())
			refused(v)
		})
	}
}

// A user who is removed after the last check gets the same response, by each way of logging
// in.
func TestRemovedAsTheLoginEnds(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Owner)
	c.exec(`CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users; RETURN NULL; END $$`)
	c.exec(`CREATE TRIGGER meanwhile AFTER INSERT ON audit_log FOR EACH ROW WHEN (NEW.operation = 'log-in') EXECUTE FUNCTION meanwhile()`)
	v := c.visitor()
	v.post("/login", "name", "anna", "password", good("anna"))
	if told := v.told(); v.in() || !strings.Contains(told, "the name or the password is wrong") {
		t.Errorf("it is told %q", told)
	}
	var result string
	if err := c.Pool.QueryRow(t.Context(), `SELECT result FROM audit_log WHERE operation = 'log-in' ORDER BY id DESC LIMIT 1`).Scan(&result); err != nil || result == "done" {
		t.Errorf("the audit log says %q, %v", result, err)
	}
	if failed := c.logged.FilterLevelExact(zap.ErrorLevel).All(); len(failed) > 0 {
		t.Error(failed)
	}
}

// A page's session is read from the database once, and prolonged once a minute.
func TestWhoLooksAtAPageIsAskedOnce(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Owner)
	v := c.login("anna")
	statements := func() int64 {
		t.Helper()
		before := c.Pool.Stat().AcquireCount()
		if got := v.get("/operate/checks"); got.StatusCode != http.StatusOK { // it reads nothing itself
			t.Errorf("it answers %s", got.Status)
		}
		return c.Pool.Stat().AcquireCount() - before
	}
	const left = `SELECT extract(epoch FROM max(expiry) - now())::bigint FROM sessions`
	seconds := func() (n int64) {
		if err := c.Pool.QueryRow(t.Context(), left).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := statements(); n != 1 {
		t.Errorf("it takes %d statements", n)
	}
	before := seconds()
	c.exec(`UPDATE sessions SET expiry = expiry - interval '2 minutes'`)
	if n := statements(); n != 2 {
		t.Errorf("with a login to prolong it takes %d statements", n)
	}
	if now := seconds(); now < before {
		t.Errorf("the login has %d seconds left, where it had %d", now, before)
	}
	if n := statements(); n != 1 {
		t.Errorf("once it is prolonged it takes %d statements", n)
	}
}

// In the demo nobody has an account or a session.
func TestDemoHasNoAccount(t *testing.T) {
	c := serve(t, func(cfg *Config) { cfg.Open = true })
	routes, _ := c.server.Config.Handler.(chi.Routes)
	n := 0
	err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if route != "/account" && !strings.HasPrefix(route, "/account/") {
			return nil
		}
		n++
		said := c.visitor().ask(method, strings.ReplaceAll(route, "{id}", "1"), "application/x-www-form-urlencoded", "code=123456", "Sec-Fetch-Site: same-origin")
		if said.StatusCode != http.StatusForbidden || !strings.Contains(said.text, "the demo has no accounts") {
			t.Errorf("%s %s: %d %s", method, route, said.StatusCode, said.text)
		}
		return nil
	})
	if err != nil || n < 10 {
		t.Errorf("walked %d routes: %v", n, err)
	}
}

func TestGuessingCodesIsSlowed(t *testing.T) {
	c := serve(t, func(cfg *Config) { cfg.ForwardedFor = true })
	c.user("anna", access.Owner)
	v := c.login("anna")
	shown := between(t, v.post("/account/codes/begin").text, `<pre class="secret">`, "</pre>")
	enter := func(i int, said func() string) bool {
		v, from := c.visitor(), fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i)
		for _, form := range []url.Values{{"name": {"anna"}, "password": {good("anna")}}, {"code": {said()}}} {
			path := "/login"
			if form.Has("code") {
				path = "/login/code"
			}
			v.ask(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode(), from)
		}
		return v.in()
	}
	right := func() string {
		said, err := totp.GenerateCode(shown, c.now())
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	v.post("/account/codes", "code", right())
	c.pass(time.Minute)
	for i := range 10 {
		enter(i, func() string { return "123123" })
	}
	if enter(20, right) {
		t.Error("who knows the password guesses codes without end, from many addresses")
	}
	c.pass(6 * time.Minute)
	if !enter(21, right) {
		t.Error("the name has to wait for ever")
	}
}

func TestNamesThatNobodyHas(t *testing.T) {
	c := serve(t, nil)
	for _, name := range []string{"", "an\x00na", strings.Repeat("anna ", 1000)} {
		if said := c.visitor().post("/login", "name", name, "password", good("anna")); said.location() != "/login" {
			t.Errorf("%.20q: %d %s", name, said.StatusCode, said.location())
		}
	}
	if failed := c.logged.FilterLevelExact(zap.ErrorLevel).All(); len(failed) > 0 {
		t.Error(failed)
	}
}

func between(t testing.TB, text, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, from)
	said, _, ends := strings.Cut(rest, to)
	if !found || !ends {
		t.Fatalf("there is no %s in %s", from, text)
	}
	return said
}
