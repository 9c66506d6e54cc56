// Package live tells open pages what has changed, as the services tell it on the bus. A
// page then reads what it shows: nothing is counted or polled meanwhile. What is not told
// is seen at the next change, or when the page is loaded.
package live

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
)

const (
	// every is how often a page is told at most: what comes meanwhile is told as one.
	every = 300 * time.Millisecond
	// alive is how often something is written where nothing happens, so that what stands
	// between does not end the connection.
	alive = 25 * time.Second
)

// Hub passes events on to pages. It is safe for concurrent use, and ready as it is.
type Hub struct {
	mu    sync.Mutex
	pages map[*pageOf]bool
}

// pageOf is a page that is open: of a chat, or of all where that is 0; lines tells that it
// shows only what was said.
type pageOf struct {
	chat  int64
	lines bool
	wake  chan struct{}
}

// Told passes an event of the bus on. It never waits.
func (h *Hub) Told(what string, event *chorusv1.Event) {
	lines := what == subject.Sent || what == subject.Heard
	chats := map[int64]bool{}
	for _, t := range event.GetTurns() {
		chats[t.GetChatId()] = true
	}
	for _, c := range event.GetChats() {
		chats[c] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range h.pages {
		if (lines || !p.lines) && (p.chat == 0 || chats[p.chat]) {
			select {
			case p.wake <- struct{}{}:
			default: // it is about to be told
			}
		}
	}
}

func (h *Hub) open(chat int64, lines bool) *pageOf {
	p := &pageOf{chat, lines, make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pages == nil {
		h.pages = map[*pageOf]bool{}
	}
	h.pages[p] = true
	return p
}

func (h *Hub) close(p *pageOf) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.pages, p)
}

// ServeHTTP sends an event "changed" each time that something has changed in the chat of
// ?chat=ID, or anywhere without one. With ?of=lines that is only what was sent or heard.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	chat := int64(0)
	if text := r.URL.Query().Get("chat"); text != "" {
		var err error
		if chat, err = strconv.ParseInt(text, 10, 64); err != nil {
			http.Error(w, "chat: "+strconv.Quote(text)+", want its number", http.StatusUnprocessableEntity)
			return
		}
	}
	p := h.open(chat, r.URL.Query().Get("of") == "lines")
	defer h.close(p)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{}) // it is open for as long as the page is
	quiet := time.NewTicker(alive)
	defer quiet.Stop()
	said := ": open\n\n"
	for {
		if _, err := fmt.Fprint(w, said); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-quiet.C:
			said = ": alive\n\n"
			continue
		case <-p.wake:
			said = "event: changed\ndata: now\n\n"
		}
		pause := time.NewTimer(every)
		select {
		case <-pause.C:
		case <-r.Context().Done():
			pause.Stop()
			return
		}
	}
}
