package operation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

type input struct {
	Body struct {
		Word string `json:"word"`
	}
}

type output struct {
	Body struct {
		Said string `json:"said"`
	}
}

var errSecret = errors.New("the database at 10.0.0.7 is away")

// set has an operation that does what its word says.
func set(t *testing.T, op operation.Operation) (*operation.Set, *operation.Of[input, output]) {
	t.Helper()
	s := &operation.Set{Audit: audit.Log{Pool: journaltest.Open(t)}, Log: testenv.Logger(t)}
	op.ID, op.Method, op.Path = "say", http.MethodPost, "/say"
	return s, operation.Add(s, op, func(ctx context.Context, in *input) (*output, error) {
		switch in.Body.Word {
		case "none":
			return nil, fmt.Errorf("chat 7: %w", operation.ErrNotFound)
		case "changed":
			return nil, operation.ErrConflict
		case "wrong":
			return nil, &operation.InvalidError{Field: "word", Value: "wrong", Want: "a good one"}
		case "mistake":
			return nil, operation.Invalid(errors.New("pace: 0s, want at least 1s"))
		case "fails":
			return nil, errSecret
		}
		audit.Note(ctx, "chat club", nil, in.Body.Word)
		out := &output{}
		out.Body.Said = in.Body.Word
		return out, nil
	})
}

func director() *access.Principal {
	return &access.Principal{Name: "anna", Role: access.Director, Origin: "10.1.2.3", Via: "api"}
}

func TestWhoMayDoIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who  *access.Principal
		want error
	}{
		"nobody":             {nil, access.ErrAnonymous},
		"a role below":       {&access.Principal{Name: "ben", Role: access.Editor, Via: "api"}, access.ErrForbidden},
		"the role":           {director(), nil},
		"a role above":       {&access.Principal{Name: "ben", Role: access.Owner, Via: "api"}, nil},
		"a token that reads": {&access.Principal{Name: "ben", Role: access.Owner, ReadOnly: true, Via: "api"}, access.ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, op := set(t, operation.Operation{Role: access.Director, Changes: true})
			_, err := op.Call(access.With(t.Context(), c.who), &input{})
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			found, err := s.Audit.Find(t.Context(), audit.Search{}, 10)
			if err != nil || (len(found) == 1) != (c.want == nil) {
				t.Errorf("the audit log has %+v, %v", found, err)
			}
		})
	}
}

type place struct {
	Chat int64 `path:"chat"`
}

// Operations refuse inputs of types that huma would ignore.
func TestInputsAreReadWhole(t *testing.T) {
	t.Parallel()
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "look: huma reads nothing of place") {
			t.Errorf("an input with fields that nobody reads: %s", said)
		}
	}()
	operation.Add(&operation.Set{}, operation.Operation{ID: "look", Method: http.MethodGet, Path: "/chats/{chat}"},
		func(context.Context, *struct{ place }) (*output, error) { return nil, operation.ErrNotFound })
}

func TestActsAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		op     operation.Operation
		word   string
		result string // "" for no entry
		input  bool
	}{
		"what is done":           {operation.Operation{Changes: true}, "ahoy", audit.Done, true},
		"what fails":             {operation.Operation{Changes: true}, "changed", operation.ErrConflict.Error(), true},
		"what must not be known": {operation.Operation{Changes: true, Secret: true}, "ahoy", audit.Done, false},
		"what only reads":        {operation.Operation{}, "ahoy", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, op := set(t, c.op)
			in := &input{}
			in.Body.Word = c.word
			_, _ = op.Call(access.With(t.Context(), director()), in)
			found, err := s.Audit.Find(t.Context(), audit.Search{}, 10)
			if err != nil || (len(found) == 1) != (c.result != "") {
				t.Fatalf("the audit log has %+v, %v", found, err)
			}
			if len(found) == 0 {
				return
			}
			e := found[0]
			if e.Actor != "anna" || e.Origin != "10.1.2.3" || e.Operation != "say" || e.Result != c.result || strings.Contains(string(e.Input), c.word) != c.input {
				t.Errorf("%+v", e)
			}
		})
	}
}

// Only errors that the caller caused are shown to them.
func TestProblems(t *testing.T) {
	t.Parallel()
	s, _ := set(t, operation.Operation{})
	r := chi.NewRouter()
	s.Register(humachi.New(r, huma.DefaultConfig("test", "1")))
	for word, c := range map[string]struct {
		code int
		says string
	}{
		"ahoy":    {http.StatusOK, "ahoy"},
		"none":    {http.StatusNotFound, "chat 7"},
		"changed": {http.StatusConflict, "changed meanwhile"},
		"wrong":   {http.StatusUnprocessableEntity, "word: wrong, want a good one"},
		"mistake": {http.StatusUnprocessableEntity, "pace: 0s, want at least 1s"},
		"fails":   {http.StatusInternalServerError, "log says why"},
	} {
		asked := httptest.NewRequestWithContext(access.With(t.Context(), director()), http.MethodPost, "/api/v1/say", strings.NewReader(`{"word": "`+word+`"}`))
		asked.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, asked)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.says) || strings.Contains(w.Body.String(), "10.0.0.7") {
			t.Errorf("%s: %d %s, want %d with %q", word, w.Code, w.Body, c.code, c.says)
		}
	}
}

// A failure to write the audit log after the operation isn't reported as a failure, because
// the caller would repeat the operation.
func TestWhatIsDoneIsNoFailure(t *testing.T) {
	t.Parallel()
	s, op := set(t, operation.Operation{Changes: true})
	if _, err := s.Audit.Pool.Exec(t.Context(), `
CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'away'; END $$;
CREATE TRIGGER away BEFORE UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION away()`); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]error{"ahoy": nil, "changed": operation.ErrConflict} {
		in := &input{}
		in.Body.Word = word
		out, err := op.Call(access.With(t.Context(), director()), in)
		if !errors.Is(err, want) || (out != nil) != (want == nil) {
			t.Errorf("%s: %v %v, want %v", word, out, err, want)
		}
	}
}

// A client that leaves causes no error.
func TestWhoLeavesIsNoError(t *testing.T) {
	t.Parallel()
	core, logged := observer.New(zap.DebugLevel)
	s := &operation.Set{Log: zap.New(core)}
	left, leave := context.WithCancel(t.Context())
	leave()
	late, end := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer end()
	for _, c := range []struct {
		ctx  context.Context //nolint:containedctx // a case
		want zapcore.Level
	}{{left, zap.DebugLevel}, {t.Context(), zap.ErrorLevel}, {late, zap.ErrorLevel}} {
		if got := s.Problem(c.ctx, "say", errSecret); got.GetStatus() != http.StatusInternalServerError {
			t.Error(got)
		}
		if entries := logged.TakeAll(); len(entries) != 1 || entries[0].Level != c.want {
			t.Errorf("%v: %+v, want one at %v", c.ctx.Err(), entries, c.want)
		}
	}
}
