package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// heartbeat is the interval of messages that show each side that the other one lives. The
	// page closes a connection that is silent for three intervals.
	heartbeat = 15 * time.Second
	// stall limits one write. A slower reader is disconnected; it reconnects and catches up.
	stall = 10 * time.Second
)

// events streams what happens, after the moment that the reader names.
func (p *page) events(w http.ResponseWriter, r *http.Request) {
	now := p.chats.Revision()
	after, known := p.known(r)
	if !known {
		after = now
	}
	feed, complete := p.chats.Watch(r.Context(), after)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not hold events back
	s := stream{page: p, w: w, control: http.NewResponseController(w)}
	if !known || !complete {
		s.event(Event{Kind: Reset, Revision: now})
	} else {
		s.line(": welcome\n\n")
	}
	s.flush()
	s.run(r.Context(), feed)
}

// stream writes server-sent events. After the first error it writes no more.
type stream struct {
	page    *page
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

// run writes until the feed ends or the reader is gone.
func (s *stream) run(ctx context.Context, feed Feed) {
	for s.err == nil {
		e, err := next(ctx, feed)
		switch {
		case err == nil:
			s.event(e)
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			s.line("event: alive\ndata: {}\n\n")
		default:
			return
		}
		s.flush()
	}
}

// next waits for an event, but no longer than a heartbeat.
func next(ctx context.Context, feed Feed) (Event, error) {
	ctx, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	return feed.Next(ctx)
}

func (s *stream) event(e Event) {
	data, err := json.Marshal(e)
	if err != nil {
		s.err = fmt.Errorf("encode an event: %w", err)
		return
	}
	if e.Revision != 0 || e.Kind == Reset {
		s.line("id: " + s.page.cursor(e.Revision) + "\n")
	}
	s.line(fmt.Sprintf("event: %s\ndata: %s\n\n", e.Kind, data))
}

func (s *stream) line(text string) {
	if s.err != nil {
		return
	}
	if s.err = s.deadline(time.Now().Add(stall)); s.err == nil {
		_, s.err = s.w.Write([]byte(text))
	}
}

// flush sends what was written. Between events no deadline may run: it would
// end an HTTP/2 stream.
func (s *stream) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
	if s.err == nil {
		s.err = s.deadline(time.Time{})
	}
}

func (s *stream) deadline(at time.Time) error {
	return s.control.SetWriteDeadline(at)
}
