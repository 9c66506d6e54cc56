package page

import (
	"crypto/rand"
	"net/http"

	"go.uber.org/zap"
)

// Options says how the page looks and who reaches it.
type Options struct {
	// Title is the page's name; empty: Chorus.
	Title string
	// Banner is a line over every chat that says what one sees; empty: none.
	Banner string
	// Hosts are the names, without a port, under which the page answers apart
	// from localhost and loopback addresses.
	Hosts []string
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
	mux.HandleFunc("POST /page/chats/{chat}/messages", p.say)
	mux.HandleFunc("POST /page/chats/{chat}/reactions", p.react)
	mux.HandleFunc("POST /page/chats/{chat}/presses", p.press)
	mux.HandleFunc("POST /page/chats/{chat}/admins", p.setAdmin)
	mux.HandleFunc("GET /page/events", p.events)
	return guard(opts.Hosts, mux)
}
