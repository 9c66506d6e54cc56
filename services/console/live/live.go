// Package live tells open pages what has changed, as the services tell it on the bus. A
// page then reads what it shows: nothing is counted or polled meanwhile. What is not told
// is seen at the next change, or when the page is loaded.
package live

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
)

const (
	// gap is the shortest time between two messages to a page; events in between are merged.
	gap = 300 * time.Millisecond
	// longest is the longest that a page may ask for instead.
	longest = time.Minute
	// alive is the interval of keep-alives, so that proxies don't close an idle connection.
	alive = 25 * time.Second
)

// Hub passes events on to pages. It is safe for concurrent use, and ready as it is.
type Hub struct {
	mu    sync.Mutex
	pages map[*pageOf]bool
	// said has, of chats whose lines a page shows, how many events there had been when the
	// last one about their lines came.
	said   map[int64]uint64
	events uint64
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
	h.events++
	for p := range h.pages {
		if p.lines && lines && chats[p.chat] {
			h.said[p.chat] = h.events
		}
		if (lines || !p.lines) && (p.chat == 0 || chats[p.chat]) {
			select {
			case p.wake <- struct{}{}:
			default: // it is about to be told
			}
		}
	}
}

// Said changes whenever something was said in a chat; false where no page shows that.
func (h *Hub) Said(chat int64) (uint64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, is := h.said[chat]
	return n, is
}

func (h *Hub) open(chat int64, lines bool) *pageOf {
	p := &pageOf{chat, lines, make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pages == nil {
		h.pages, h.said = map[*pageOf]bool{}, map[int64]uint64{}
	}
	if _, is := h.said[chat]; lines && !is {
		h.said[chat] = h.events
	}
	h.pages[p] = true
	return p
}

func (h *Hub) close(p *pageOf) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.pages, p)
	for other := range h.pages {
		if other.lines && other.chat == p.chat {
			return
		}
	}
	delete(h.said, p.chat)
}

// ServeHTTP sends an event "changed" each time that something has changed in the chat of
// ?chat=ID, or anywhere without one. With ?of=lines that is only what was sent or heard.
// With ?every=5s it is sent at multiples of that time only, to all pages at once.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	chat := int64(0)
	if text := r.URL.Query().Get("chat"); text != "" {
		var err error
		if chat, err = strconv.ParseInt(text, 10, 64); err != nil {
			http.Error(w, "chat: "+strconv.Quote(text)+", want its number", http.StatusUnprocessableEntity)
			return
		}
	}
	every, err := time.ParseDuration(cmp.Or(r.URL.Query().Get("every"), "0s"))
	if err != nil || every < 0 || every > longest {
		http.Error(w, "every: "+strconv.Quote(r.URL.Query().Get("every"))+", want a time up to "+longest.String(), http.StatusUnprocessableEntity)
		return
	}
	p := h.open(chat, r.URL.Query().Get("of") == "lines")
	defer h.close(p)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	quiet := time.NewTicker(alive)
	defer quiet.Stop()
	said, told := ": open\n\n", false
	for {
		_ = out.SetWriteDeadline(time.Now().Add(2 * alive)) // a page that reads nothing is let go
		if _, err := fmt.Fprint(w, said); err != nil || out.Flush() != nil {
			return
		}
		if told && every == 0 && !passed(r.Context(), gap) {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-quiet.C:
			said, told = ": alive\n\n", false
		case <-p.wake:
			said, told = "event: changed\ndata: now\n\n", true
			if every > 0 && !p.moment(r.Context(), every) {
				return
			}
		}
	}
}

// moment waits for the next multiple of a time. What has come until then is told with it.
func (p *pageOf) moment(ctx context.Context, every time.Duration) bool {
	if !passed(ctx, time.Until(time.Now().Truncate(every).Add(every))) {
		return false
	}
	select {
	case <-p.wake:
	default:
	}
	return true
}

// passed waits; false if the context ended before.
func passed(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
