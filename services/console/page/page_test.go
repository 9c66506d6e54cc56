package page_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]string{
		"/chats/7?x=1#end": "/chats/7?x=1#end", "": "/", "chats": "/", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example/": "/",
		"javascript:alert(1)": "/", "/a\r\nSet-Cookie: x": "/", "/%zz": "/", "///evil.example": "/",
	} {
		if got := page.Local(asked); got != want {
			t.Errorf("%q: %q, want %q", asked, got, want)
		}
	}
}

// show asks for a page with what is told by the answer before, as somebody.
func show(t *testing.T, pages *page.Pages, before *httptest.ResponseRecorder, who *access.Principal) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(access.With(t.Context(), who), http.MethodGet, "/", nil)
	if before != nil {
		for _, c := range before.Result().Cookies() {
			r.AddCookie(c)
		}
	}
	w := httptest.NewRecorder()
	pages.Render(w, r, page.View{Title: "A <b>title</b>", Section: "chats", Body: templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "the body")
		return err
	})})
	return w
}

func TestTheNextPageTellsWhatWasDone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want string
		not  string
	}{
		"done":      {nil, "It is &lt;paused&gt;.", "bad"},
		"a mistake": {operation.Invalid(errors.New("until: yesterday, want a time to come")), "until: yesterday", "paused"},
		"our fault": {errors.New("the database at 10.0.0.7 is away"), "log says why", "10.0.0.7"},
		"forbidden": {access.ErrForbidden, "your role does not allow it", "paused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pages := &page.Pages{Log: testenv.Logger(t)}
			did := httptest.NewRecorder()
			pages.Done(did, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x", nil), "//evil.example", "It is <paused>.", c.err)
			if did.Code != http.StatusSeeOther || did.Header().Get("Location") != "/" {
				t.Errorf("%d to %s", did.Code, did.Header().Get("Location"))
			}
			who := &access.Principal{Name: "anna", Role: access.Viewer}
			shown := show(t, pages, did, who)
			if text := shown.Body.String(); !strings.Contains(text, c.want) || strings.Contains(text, c.not) {
				t.Errorf("%s\nwant %q and not %q", text, c.want, c.not)
			}
			if again := show(t, pages, shown, who).Body.String(); strings.Contains(again, c.want) {
				t.Error("it is told twice")
			}
		})
	}
}

func TestTheFrame(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who  *access.Principal
		open bool
		has  []string
		not  []string
	}{
		"nobody":   {nil, false, []string{"the body", "A &lt;b&gt;title"}, []string{"<nav", "Log out", "A <b>"}},
		"a viewer": {&access.Principal{Name: "<anna>", Role: access.Viewer}, false, []string{"&lt;anna&gt;", "Log out", `href="/chats" aria-current="page"`}, []string{"/people", "/audit"}},
		"an admin": {&access.Principal{Name: "ben", Role: access.Admin}, false, []string{"/people", "/audit"}, []string{"no login"}},
		"the demo": {&access.Principal{Name: "demo", Role: access.Owner}, true, []string{"no login: demo"}, []string{"Log out"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := show(t, &page.Pages{Open: c.open, Log: testenv.Logger(t)}, nil, c.who).Body.String()
			for _, part := range c.has {
				if !strings.Contains(text, part) {
					t.Errorf("it lacks %s: %s", part, text)
				}
			}
			for _, part := range c.not {
				if strings.Contains(text, part) {
					t.Errorf("it has %s: %s", part, text)
				}
			}
		})
	}
}

func TestAPageThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		code int
		says string
	}{
		"nobody is logged in": {access.ErrAnonymous, http.StatusSeeOther, "/login?next=%2Fturns%3Fbot%3D7"},
		"there is none":       {operation.ErrNotFound, http.StatusNotFound, "no such thing"},
		"our fault":           {errors.New("the database at 10.0.0.7 is away"), http.StatusInternalServerError, "log says why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			(&page.Pages{Log: testenv.Logger(t)}).Fail(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/turns?bot=7", nil), c.err)
			if text := w.Header().Get("Location") + w.Body.String(); w.Code != c.code || !strings.Contains(text, c.says) || strings.Contains(text, "10.0.0.7") {
				t.Errorf("%d %s, want %d with %s", w.Code, text, c.code, c.says)
			}
		})
	}
}

// A client that leaves before its page is ready causes no error.
func TestWhoLeavesIsNoError(t *testing.T) {
	t.Parallel()
	core, logged := observer.New(zap.DebugLevel)
	left, leave := context.WithCancel(t.Context())
	leave()
	for ctx, want := range map[context.Context]zapcore.Level{left: zap.DebugLevel, t.Context(): zap.ErrorLevel} {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/turns", nil)
		(&page.Pages{Log: zap.New(core)}).Fail(httptest.NewRecorder(), r, errors.New("read turns: context canceled"))
		if entries := logged.TakeAll(); len(entries) != 1 || entries[0].Level != want {
			t.Errorf("%v: %+v, want one at %v", ctx.Err(), entries, want)
		}
	}
}
