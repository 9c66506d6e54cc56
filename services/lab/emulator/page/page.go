// Package page is the emulator's chat page: one watches simulated groups live,
// as in a Telegram client, and joins in as a person.
//
// The page is a few embedded files without any outside resource. It reads chats
// and messages as JSON and is told of everything new by server-sent events.
// Every answer and every event carries a cursor, so that a reader that was away
// goes on where it was, without gaps or doubles. What people do there goes to the
// control interface, which must be served beside it.
//
// People have no accounts and no passwords here: whoever reaches the page may
// write under any person's name. It therefore answers under loopback names only,
// which keeps other web sites from reaching it through a name of theirs that points
// here.
package page

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// Options says how the page looks and who reaches it.
type Options struct {
	// Title is the page's name; empty: Chorus.
	Title string
	// Banner is a line of explanation over every chat; empty for none.
	Banner string
	// Log gets what goes wrong inside; nil: nothing is logged.
	Log *zap.Logger
}

// page holds what the handlers need.
type page struct {
	chats Chats
	opts  Options
	epoch string // makes cursors of another process recognisable
}

// New returns the page's handler. It serves "/" and everything below "/page/".
//
// A reader's stream lasts until the context of its request ends, so a server
// that shuts down should end its BaseContext first: Shutdown alone waits for
// the readers.
func New(chats Chats, opts Options) http.Handler {
	if opts.Title == "" {
		opts.Title = "Chorus"
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	p := &page{chats: chats, opts: opts, epoch: rand.Text()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.shell)
	mux.HandleFunc("GET /page/web/{file}", asset)
	mux.HandleFunc("GET /page/chats", p.list)
	mux.HandleFunc("GET /page/chats/{chat}", p.chat)
	mux.HandleFunc("GET /page/chats/{chat}/messages", p.history)
	mux.HandleFunc("GET /page/events", p.events)
	return guard(mux)
}

// cursor identifies the moment after an event. A reader with the cursor knows everything up to
// that event.
func (p *page) cursor(revision uint64) string {
	return p.epoch + "-" + strconv.FormatUint(revision, 10)
}

// known returns the revision that a reader of events knows already. It is false
// for a reader that has no cursor, or one of another process, whose revisions
// mean something else.
func (p *page) known(r *http.Request) (uint64, bool) {
	// A browser that reconnects repeats the address of its first try, and the
	// header tells how far it has come since.
	cursor := r.Header.Get("Last-Event-ID")
	if cursor == "" {
		cursor = r.URL.Query().Get("after")
	}
	epoch, number, _ := strings.Cut(cursor, "-")
	revision, err := strconv.ParseUint(number, 10, 64)
	return revision, err == nil && epoch == p.epoch
}

//go:embed web
var web embed.FS

// shell answers with the HTML file, which has no data but the options.
func (p *page) shell(w http.ResponseWriter, r *http.Request) {
	var content bytes.Buffer
	parsed, err := template.ParseFS(web, "web/index.html")
	if err == nil {
		err = parsed.Execute(&content, p.opts)
	}
	if err != nil {
		p.refuse(w, fmt.Errorf("make the page: %w", err))
		return
	}
	serve(w, r, "text/html; charset=utf-8", content.Bytes())
}

// asset answers with a style sheet, a script or the icon.
func asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	// The system's own table of types may be wrong, and scripts of a wrong type
	// don't run.
	kind := map[string]string{
		".css": "text/css; charset=utf-8",
		".js":  "text/javascript; charset=utf-8",
		".svg": "image/svg+xml",
	}[path.Ext(name)]
	content, err := web.ReadFile("web/" + name)
	if err != nil || kind == "" {
		fail(w, http.StatusNotFound, "there is no such file")
		return
	}
	serve(w, r, kind, content)
}

// serve responds with a file, or with 304 if the browser has it already.
func serve(w http.ResponseWriter, r *http.Request, kind string, content []byte) {
	sum := sha256.Sum256(content)
	w.Header().Set("Cache-Control", "no-cache") // ask each time, by the tag
	w.Header().Set("Content-Type", kind)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// policy lets the page load its own files and talk to its own server, nothing
// else. Trusted types forbid to write strings as HTML.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// guard answers only under names that are ours, and tells browsers to be strict.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		if !control.Local(r.Host) {
			fail(w, http.StatusMisdirectedRequest, fmt.Sprintf(
				"the chat page does not answer as %q: use localhost or a loopback address", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}
