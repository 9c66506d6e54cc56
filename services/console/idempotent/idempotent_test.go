package idempotent_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/idempotent"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// acts is what is asked, and counts how often it is done.
type acts struct {
	t      *testing.T
	pool   *pgxpool.Pool
	done   int
	secret bool
	dies   bool
	leaves bool // who asks leaves before it is done
	status int  // what it answers the first time, if not that it is done
}

func (a *acts) ask(actor, key, method, path, body string) *httptest.ResponseRecorder {
	a.t.Helper()
	q := idempotent.Requests{Pool: a.pool, Secret: func(*http.Request) bool { return a.secret }, Log: testenv.Logger(a.t)}
	ctx, leave := context.WithCancel(a.t.Context())
	defer leave()
	handler := q.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.done++
		if a.leaves {
			leave()
		}
		if r.Context().Err() != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if a.dies {
			panic(http.ErrAbortHandler)
		}
		if a.status != 0 && a.done == 1 {
			w.WriteHeader(a.status)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"number": 7}`))
	}))
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Header.Set("Idempotency-Key", key)
	w := httptest.NewRecorder()
	func() {
		defer func() { _ = recover() }()
		handler.ServeHTTP(w, r.WithContext(access.With(r.Context(), &access.Principal{Name: actor, Role: access.Owner})))
	}()
	return w
}

func TestARequestIsDoneOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		actor, key, method, path, body string
		code, done                     int
		answer                         string
	}{
		"the same again":              {"anna", "k", "POST", "/a", "x", 201, 1, `"number": 7`},
		"another body":                {"anna", "k", "POST", "/a", "y", 422, 1, "used for another request"},
		"another path":                {"anna", "k", "POST", "/b", "x", 422, 1, "used for another request"},
		"another key":                 {"anna", "l", "POST", "/a", "x", 201, 2, `"number": 7`},
		"somebody else's key":         {"ben", "k", "POST", "/a", "x", 201, 2, `"number": 7`},
		"no key":                      {"anna", "", "POST", "/a", "x", 201, 2, `"number": 7`},
		"what changes nothing":        {"anna", "k", "GET", "/a", "", 201, 2, `"number": 7`},
		"a key that is much too long": {"anna", strings.Repeat("k", 256), "POST", "/a", "x", 422, 1, "at most 255"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &acts{t: t, pool: journaltest.Open(t)}
			a.ask("anna", "k", "POST", "/a", "x")
			got := a.ask(c.actor, c.key, c.method, c.path, c.body)
			if got.Code != c.code || a.done != c.done || !strings.Contains(got.Body.String(), c.answer) {
				t.Errorf("answered %d %s, done %d times; want %d with %s, %d times", got.Code, got.Body, a.done, c.code, c.answer, c.done)
			}
		})
	}
}

func TestWhatEndedWithoutAnAnswerIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	a := &acts{t: t, pool: journaltest.Open(t), dies: true}
	a.ask("anna", "k", "POST", "/a", "x")
	if got := a.ask("anna", "k", "POST", "/a", "x"); got.Code != http.StatusConflict || a.done != 1 {
		t.Errorf("answered %d, done %d times", got.Code, a.done)
	}
}

func TestWhatFailedMayBeAskedForAgain(t *testing.T) {
	t.Parallel()
	for status, done := range map[int]int{
		http.StatusInternalServerError: 2, http.StatusServiceUnavailable: 2, http.StatusConflict: 1, http.StatusUnprocessableEntity: 1,
	} {
		a := &acts{t: t, pool: journaltest.Open(t), status: status}
		a.ask("anna", "k", "POST", "/a", "x")
		want := status
		if done == 2 {
			want = http.StatusCreated
		}
		for range 2 { // the answer that is kept is the last
			if got := a.ask("anna", "k", "POST", "/a", "x"); got.Code != want || a.done != done {
				t.Errorf("after %d: answered %d, done %d times; want %d, %d times", status, got.Code, a.done, want, done)
			}
		}
	}
}

func TestARequestIsDoneThoughNobodyWaits(t *testing.T) {
	t.Parallel()
	a := &acts{t: t, pool: journaltest.Open(t), leaves: true}
	a.ask("anna", "k", "POST", "/a", "x")
	if got := a.ask("anna", "k", "POST", "/a", "x"); got.Code != http.StatusCreated || a.done != 1 {
		t.Errorf("answered %d, done %d times", got.Code, a.done)
	}
}

func TestASecretAnswerIsNotKept(t *testing.T) {
	t.Parallel()
	a := &acts{t: t, pool: journaltest.Open(t), secret: true}
	a.ask("anna", "k", "POST", "/a", "x")
	if got := a.ask("anna", "k", "POST", "/a", "x"); got.Code != http.StatusCreated || got.Body.Len() != 0 || a.done != 1 {
		t.Errorf("answered %d %s, done %d times", got.Code, got.Body, a.done)
	}
	var kept bool
	if err := a.pool.QueryRow(t.Context(), `SELECT bool_or(answer IS NOT NULL) FROM idempotency_keys`).Scan(&kept); err != nil || kept {
		t.Errorf("the answer is kept: %v %v", kept, err)
	}
}

func TestOldAnswersAreForgotten(t *testing.T) {
	t.Parallel()
	a := &acts{t: t, pool: journaltest.Open(t)}
	a.ask("anna", "old", "POST", "/a", "x")
	if _, err := a.pool.Exec(t.Context(), `UPDATE idempotency_keys SET created_at = now() - interval '25 hours'`); err != nil {
		t.Fatal(err)
	}
	a.ask("anna", "new", "POST", "/a", "x")
	if err := (idempotent.Requests{Pool: a.pool}).Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left string
	if err := a.pool.QueryRow(t.Context(), `SELECT string_agg(key, ' ') FROM idempotency_keys`).Scan(&left); err != nil || left != "new" {
		t.Errorf("%q is left, want the new one: %v", left, err)
	}
}

func TestAnOldKeyMayBeUsedAnew(t *testing.T) {
	t.Parallel()
	a := &acts{t: t, pool: journaltest.Open(t)}
	a.ask("anna", "k", "POST", "/a", "x")
	if _, err := a.pool.Exec(t.Context(), `UPDATE idempotency_keys SET created_at = now() - interval '25 hours'`); err != nil {
		t.Fatal(err)
	}
	if got := a.ask("anna", "k", "POST", "/b", "y"); got.Code != http.StatusCreated || a.done != 2 {
		t.Errorf("answered %d, done %d times", got.Code, a.done)
	}
}
