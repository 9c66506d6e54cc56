// Package consoletest asks for pages of a part of the console as somebody with a role.
package consoletest

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap/zaptest"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
)

// Site is a part of the console with nothing around it.
type Site struct {
	http.Handler

	Pool *pgxpool.Pool
	Keys secret.Keyring

	t testing.TB
}

// Open makes one on a database of its own.
func Open(t testing.TB, area func(*operation.Set, *page.Pages, *Site) interface{ Routes(r chi.Router) }) *Site {
	t.Helper()
	key, err := secret.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.ParseKeys(key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	log, r := zaptest.NewLogger(t), chi.NewRouter()
	s := &Site{Handler: r, Pool: journaltest.Open(t), Keys: keys, t: t}
	area(&operation.Set{Audit: audit.Log{Pool: s.Pool}, Log: log}, &page.Pages{Log: log}, s).Routes(r)
	return s
}

// Ask asks for a page, or sends a form.
func (s *Site) Ask(role access.Role, method, path string, form url.Values) (status int, body string) {
	s.t.Helper()
	who := &access.Principal{Name: "ed", Role: role, Origin: "test", Via: "console"}
	r := httptest.NewRequestWithContext(access.With(s.t.Context(), who), method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// Get gives a page that there must be.
func (s *Site) Get(role access.Role, path string) string {
	s.t.Helper()
	status, body := s.Ask(role, http.MethodGet, path, nil)
	if status != http.StatusOK {
		s.t.Fatalf("%s: %d\n%s", path, status, body)
	}
	return body
}

// Send sends a form that must be answered with a status.
func (s *Site) Send(role access.Role, want int, path string, form url.Values) string {
	s.t.Helper()
	status, body := s.Ask(role, http.MethodPost, path, form)
	if status != want {
		s.t.Fatalf("%s: %d, want %d\n%s", path, status, want, body)
	}
	return body
}

// One reads a value as text.
func (s *Site) One(sql string, args ...any) (text string) {
	s.t.Helper()
	if err := s.Pool.QueryRow(s.t.Context(), "SELECT coalesce(("+sql+")::text, 'null')", args...).Scan(&text); err != nil {
		s.t.Fatal(err)
	}
	return text
}

// Exec runs a statement.
func (s *Site) Exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.Pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// Hidden are the hidden inputs of a page, which its button sends.
func Hidden(body string) url.Values {
	form := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		form.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return form
}
