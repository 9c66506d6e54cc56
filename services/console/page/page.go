// Package page holds what all pages of the console share: the frame, the assets, forms and
// their responses.
package page

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/live"
	"github.com/chorus-cast/chorus/services/console/operation"
)

//go:embed static
var static embed.FS

// Assets serves what pages load, below /static/.
func Assets(r chi.Router) {
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // the folder is embedded
	}
	sum := sha256.New()
	_ = fs.WalkDir(files, ".", func(path string, _ fs.DirEntry, _ error) error {
		content, _ := fs.ReadFile(files, path) // a folder has none
		_, _ = sum.Write(content)
		return nil
	})
	tag := fmt.Sprintf("%q", hex.EncodeToString(sum.Sum(nil)))
	serve := http.StripPrefix("/static/", http.FileServerFS(files))
	r.Get("/static/*", func(w http.ResponseWriter, r *http.Request) {
		// A browser asks each time whether they are still the same: after an upgrade they are not.
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		serve.ServeHTTP(w, r)
	})
}

// View is a page.
type View struct {
	Title string
	// Section is the entry of the navigation that it belongs to, such as "chats".
	Section string
	Body    templ.Component
	// Status is the HTTP status of the response; 0 means 200.
	Status int

	// who is the user, notice the result of the previous action, and open allows the page
	// without a login. Render sets them.
	who    *access.Principal
	notice notice
	open   bool
	// telegram is the address of the emulator's chat page.
	telegram string
}

// entry is one of the navigation.
type entry struct{ section, path, name string }

// navigation returns the menu entries that a role may see.
func navigation(who *access.Principal) []entry {
	all := []entry{
		{"overview", "/", "Overview"},
		{"chats", "/chats", "Chats"},
		{"turns", "/turns", "Turns"},
		{"cast", "/cast", "Cast"},
		{"direct", "/direct", "Direct"},
		{"approve", "/approve", "Approve"},
		{"operate", "/operate", "Operate"},
	}
	if who != nil && who.Role >= access.Admin {
		all = append(all, entry{"people", "/people", "People"}, entry{"accounts", "/accounts", "Accounts"}, entry{"audit", "/audit", "Audit"})
	}
	return all
}

// Pages renders pages.
type Pages struct {
	// Open tells that the console needs no login, in the demo.
	Open bool
	// Telegram is the address of the emulator's chat page; empty without an emulator.
	Telegram string
	Log      *zap.Logger
}

// Render answers with a page.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, v View) {
	v.who, v.open, v.notice, v.telegram = access.From(r.Context()), p.Open, taken(w, r), p.Telegram
	p.write(w, r, v.Status, frame(v))
}

// Show answers with a page, or with what went wrong before.
func (p *Pages) Show(w http.ResponseWriter, r *http.Request, err error, view func() View) {
	if err != nil {
		p.Fail(w, r, err)
		return
	}
	p.Render(w, r, view())
}

// Fragment answers with a part of a page, as it is asked for by a page that is open.
func (p *Pages) Fragment(w http.ResponseWriter, r *http.Request, c templ.Component) {
	p.write(w, r, http.StatusOK, c)
}

func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, c templ.Component) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if status != 0 {
		w.WriteHeader(status)
	}
	if err := c.Render(r.Context(), w); err != nil && r.Context().Err() == nil {
		p.Log.Error("a page could not be made", zap.String("path", r.URL.Path), zap.Error(err))
	}
}

// Again answers a page that is open and was told of a change, with what all who may look
// see; false for any other request.
func (p *Pages) Again(w http.ResponseWriter, r *http.Request, f *live.Fragment, body func(context.Context) (templ.Component, error)) bool {
	if r.Header.Get("Hx-Request") != "true" {
		return false
	}
	err := access.From(r.Context()).May(access.Viewer, false)
	html := ""
	if err == nil {
		html, err = f.HTML(r.Context(), body)
	}
	if err != nil {
		p.Fail(w, r, err)
		return true
	}
	p.Fragment(w, r, templ.Raw(html))
	return true
}

// Fail responds with a page that explains an error.
func (p *Pages) Fail(w http.ResponseWriter, r *http.Request, err error) {
	status := operation.Status(err)
	if status == http.StatusUnauthorized {
		http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	p.Render(w, r, View{Title: http.StatusText(status), Status: status, Body: failure(p.why(r, err))})
}

// why returns the text of an error for users. Errors that users didn't cause are only logged.
func (p *Pages) why(r *http.Request, err error) string {
	if operation.Status(err) != http.StatusInternalServerError {
		return err.Error()
	}
	operation.Failed(r.Context(), p.Log, "a request failed", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Error(err))
	return "It could not be done; the console's log says why."
}

// Done responds to a form: it redirects to a page of the console, which then shows the result
// or the error.
func (p *Pages) Done(w http.ResponseWriter, r *http.Request, back, done string, err error) {
	said := notice{Text: done}
	if err != nil {
		said = notice{Text: p.why(r, err), Bad: true}
	}
	leave(w, said)
	http.Redirect(w, r, Local(back), http.StatusSeeOther)
}

// Local is a path of this console; "/" for what leads elsewhere.
func Local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n") {
		return "/"
	}
	return path
}

// notice is the result of an action, which the next page shows.
type notice struct {
	Text string
	Bad  bool
}

const noticeCookie = "notice"

func leave(w http.ResponseWriter, n notice) {
	kind := "+"
	if n.Bad {
		kind = "-"
	}
	const longest = 1000
	text := []rune(n.Text)
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // it holds no secret, and is shown as text
		Name: noticeCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(kind + string(text[:min(len(text), longest)]))),
		Path: "/", MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

func taken(w http.ResponseWriter, r *http.Request) notice {
	c, err := r.Cookie(noticeCookie)
	if err != nil {
		return notice{}
	}
	http.SetCookie(w, &http.Cookie{Name: noticeCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // as above
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(text) == 0 {
		return notice{}
	}
	return notice{Text: string(text[1:]), Bad: text[0] == '-'}
}

// Clock is a time as pages show it; "" for none.
func Clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
