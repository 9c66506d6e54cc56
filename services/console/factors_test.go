package console

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/account"
)

func encoded(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// device makes passkeys, as a phone does.
type device struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	origin string
	handle string
	count  uint32
}

func (d *device) authenticator(flags byte, more ...byte) []byte {
	d.count++
	rp := sha256.Sum256([]byte("localhost"))
	return append(binary.BigEndian.AppendUint32(append(rp[:], flags), d.count), more...)
}

func (d *device) client(kind, challenge string) []byte {
	data, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": d.origin, "crossOrigin": false})
	if err != nil {
		d.t.Fatal(err)
	}
	return data
}

const verified, attested = 0x05, 0x45 // present and verified; with a new key

// make answers what begins a registration.
func (d *device) make(asked string) string {
	var begin struct {
		PublicKey struct {
			Challenge string              `json:"challenge"`
			User      struct{ ID string } `json:"user"`
		} `json:"publicKey"`
	}
	if err := json.Unmarshal([]byte(asked), &begin); err != nil {
		d.t.Fatal(err)
	}
	d.handle = begin.PublicKey.User.ID
	x, y := d.key.X.FillBytes(make([]byte, 32)), d.key.Y.FillBytes(make([]byte, 32))
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: x, -3: y})
	if err != nil {
		d.t.Fatal(err)
	}
	id := append(make([]byte, 16), 0, 4, 'k', 'e', 'y', '1')
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": d.authenticator(attested, append(id, public...)...)})
	if err != nil {
		d.t.Fatal(err)
	}
	client := d.client("webauthn.create", begin.PublicKey.Challenge)
	return fmt.Sprintf(`{"id":%q,"rawId":%q,"type":"public-key","response":{"clientDataJSON":%q,"attestationObject":%q}}`,
		encoded([]byte("key1")), encoded([]byte("key1")), encoded(client), encoded(object))
}

// prove answers what begins a login.
func (d *device) prove(asked string, flags byte) string {
	var begin struct {
		PublicKey struct {
			Challenge string `json:"challenge"`
		} `json:"publicKey"`
	}
	if err := json.Unmarshal([]byte(asked), &begin); err != nil {
		d.t.Fatal(err)
	}
	client, data := d.client("webauthn.get", begin.PublicKey.Challenge), d.authenticator(flags)
	hash := sha256.Sum256(client)
	signed := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, signed[:])
	if err != nil {
		d.t.Fatal(err)
	}
	return fmt.Sprintf(`{"id":%q,"rawId":%q,"type":"public-key","response":{"clientDataJSON":%q,"authenticatorData":%q,"signature":%q,"userHandle":%q}}`,
		encoded([]byte("key1")), encoded([]byte("key1")), encoded(client), encoded(data), encoded(signature), d.handle)
}

func TestPasskeys(t *testing.T) {
	c := serve(t, nil)
	c.user("anna", access.Owner)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := url.Parse(c.server.URL)
	d := &device{t: t, key: key, origin: "http://localhost:" + at.Port()}
	send := func(v *visitor, path, body string) *answered {
		return v.ask(http.MethodPost, path, "application/json", body, "Sec-Fetch-Site: same-origin")
	}
	v := c.login("anna")
	if said := send(v, "/account/passkeys?name=phone", d.make(send(v, "/account/passkeys/begin", "").text)); said.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", said.StatusCode, said.text)
	}
	if !strings.Contains(v.get("/account").text, "phone") {
		t.Error("the passkey is not listed")
	}
	in := c.visitor()
	proof := d.prove(send(in, "/login/passkey/begin", "").text, verified)
	if said := send(in, "/login/passkey", proof); said.StatusCode != http.StatusOK || !in.in() {
		t.Fatalf("%d %s %v", said.StatusCode, said.text, c.logged.All())
	}
	for name, try := range map[string]func(*visitor) string{
		"again":            func(*visitor) string { return proof },
		"without a finger": func(v *visitor) string { return d.prove(send(v, "/login/passkey/begin", "").text, 0x01) },
		"of another origin": func(v *visitor) string {
			evil := *d
			evil.origin = "https://evil.example"
			return evil.prove(send(v, "/login/passkey/begin", "").text, verified)
		},
		"without asking": func(*visitor) string { return d.prove(`{"publicKey":{"challenge":"AAAA"}}`, verified) },
		"a copy that is behind": func(v *visitor) string {
			old := *d
			old.count = 0
			return old.prove(send(v, "/login/passkey/begin", "").text, verified)
		},
	} {
		v := c.visitor()
		if said := send(v, "/login/passkey", try(v)); said.StatusCode != http.StatusUnprocessableEntity || v.in() {
			t.Errorf("%s: %d %s", name, said.StatusCode, said.text)
		}
		c.pass(time.Hour)
	}
}

// provider is an identity provider.
type provider struct {
	*httptest.Server

	key            *rsa.PrivateKey
	subject, nonce string
	challenge      string
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, subject: "s1"}
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "alg": "RS256", "kid": "1", "n": encoded(key.N.Bytes()), "e": encoded(big.NewInt(int64(key.E)).Bytes()),
		}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if r.PostFormValue("code") != "right" || encoded(sum[:]) != p.challenge {
			w.WriteHeader(http.StatusBadRequest)
			write(w, map[string]string{"error": "invalid_grant"})
			return
		}
		write(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": p.token(t)})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// token is signed as the provider does.
func (p *provider) token(t *testing.T) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{
		"iss": p.URL, "aud": "chorus", "sub": p.subject, "nonce": p.nonce, "exp": time.Now().Add(time.Hour).Unix(), "preferred_username": "anna", "email": "anna@example.org",
	})
	if err != nil {
		t.Fatal(err)
	}
	text := encoded([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + encoded(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encoded(signature)
}

// enter logs a new visitor in at a provider, which takes the code "right". forge changes what
// the browser brings back.
func (p *provider) enter(c *running, code string, forge func(url.Values)) *visitor {
	c.t.Helper()
	c.pass(10 * time.Second) // the wrong ones make wait
	v := c.visitor()
	sent, err := url.Parse(v.get("/login/oidc?next=/cast").location())
	if err != nil || !strings.HasPrefix(sent.String(), p.URL+"/auth") {
		c.t.Fatalf("%v: %v", sent, err)
	}
	asked := sent.Query()
	p.nonce, p.challenge = asked.Get("nonce"), asked.Get("code_challenge")
	if asked.Get("code_challenge_method") != "S256" || asked.Get("redirect_uri") != c.URL()+"/login/oidc/callback" {
		c.t.Errorf("it is asked for %v", asked)
	}
	back := url.Values{"state": {asked.Get("state")}, "code": {code}}
	if forge != nil {
		forge(back)
	}
	v.get("/login/oidc/callback?" + back.Encode())
	return v
}

func TestIdentityProvider(t *testing.T) {
	p := newProvider(t)
	c := serve(t, func(cfg *Config) {
		cfg.OIDC = account.OIDC{Issuer: p.URL, ClientID: "chorus", Role: "editor"}
	})
	c.user("anna", access.Owner)
	enter := func(code string, forge func(url.Values)) *visitor { return p.enter(c, code, forge) }
	if v := enter("right", nil); !v.in() {
		t.Fatalf("not logged in: %v", c.logged.All())
	}
	// The owner's name makes nobody the owner.
	if got := database(t, c.Pool, "users"); !strings.Contains(got, "anna@example.org,editor") || strings.Count(got, "\n") != 1 {
		t.Error(got)
	}
	for range 10 { // none that is right makes anybody wait
		if !enter("right", nil).in() || strings.Count(database(t, c.Pool, "users"), "\n") != 1 {
			t.Error("the next login is not that of the same user")
		}
	}
	for name, v := range map[string]*visitor{
		"wrong code":     enter("wrong", nil),
		"other state":    enter("right", func(v url.Values) { v.Set("state", "x") }),
		"no state":       enter("right", func(v url.Values) { v.Del("state") }),
		"other nonce":    enter("right", func(url.Values) { p.nonce = "x" }),
		"other verifier": enter("right", func(url.Values) { p.challenge = "x" }),
		"an error":       enter("right", func(v url.Values) { v.Set("error", "access_denied") }),
	} {
		if v.in() {
			t.Errorf("%s: logged in", name)
		}
	}
	if _, err := c.Pool.Exec(t.Context(), `UPDATE users SET disabled_at = now() WHERE role = 'editor'`); err != nil {
		t.Fatal(err)
	}
	if enter("right", nil).in() {
		t.Error("a disabled user logs in")
	}
	if said := c.visitor().get("/login/oidc/callback?code=right&state="); said.location() == "/" {
		t.Error("an answer that nobody asked for logs in")
	}
}

// A user's account at the identity provider, once taken over, gives no access after the user
// has a new login, and creates no new user.
func TestALinkEndsTheIdentityProvidersLogin(t *testing.T) {
	p := newProvider(t)
	c := serve(t, func(cfg *Config) {
		cfg.OIDC = account.OIDC{Issuer: p.URL, ClientID: "chorus", Role: "editor"}
	})
	c.user("olga", access.Owner)
	taken := p.enter(c, "right", nil)
	owner := c.login("olga")
	var id int64
	if err := c.Pool.QueryRow(t.Context(), `SELECT id FROM users WHERE name = 'anna'`).Scan(&id); err != nil || !taken.in() {
		t.Fatal(err)
	}
	link := between(t, owner.post(fmt.Sprintf("/accounts/%d/link", id)).text, `/join#`, "</pre>")
	if said := c.visitor().post("/join", "code", link, "name", "anna", "password", good("anna")); said.location() != "/" {
		t.Fatalf("the new login: %d %s", said.StatusCode, said.text)
	}
	before := database(t, c.Pool, "users")
	if taken.in() || p.enter(c, "right", nil).in() {
		t.Error("the provider still lets in")
	}
	if after := database(t, c.Pool, "users"); after != before {
		t.Errorf("the provider makes somebody:\n%s", after)
	}
	if !c.login("anna").in() {
		t.Error("the new login lets nobody in")
	}
}
