package page_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/emulator/page"
)

// stream is a reader's end of a connection.
type stream struct {
	lines  *bufio.Scanner
	cursor string
	close  func()
}

// connect begins to read events, from a cursor in the address or the header.
func connect(t *testing.T, h http.Handler, query, lastEventID string) *stream {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	done := make(chan struct{})

	go func() {
		defer close(done)
		defer out.Close()

		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/page/events"+query, nil)
		r.Header.Set("Last-Event-ID", lastEventID)
		h.ServeHTTP(&pipe{Writer: out, header: http.Header{}}, r)
	}()

	s := &stream{lines: bufio.NewScanner(in)}
	s.close = func() {
		cancel()
		in.Close()
		<-done
	}

	t.Cleanup(s.close)

	return s
}

// pipe is a connection whose writer waits for the reader.
type pipe struct {
	io.Writer

	header http.Header
}

func (p *pipe) Header() http.Header              { return p.header }
func (p *pipe) WriteHeader(int)                  {}
func (p *pipe) Flush()                           {}
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// next returns an event as "name data", and notes its id. Comments are left
// out; "" is the end.
func (s *stream) next() string {
	name := ""

	for s.lines.Scan() {
		key, value, _ := strings.Cut(s.lines.Text(), ": ")

		switch key {
		case "id":
			s.cursor = value
		case "event":
			name = value
		case "data":
			return name + " " + value
		}
	}

	return ""
}

// said returns a message's event in the stream.
func said(id int, text string) string {
	return fmt.Sprintf(`message {"chat":-1001,"message":{"id":%d,"from":{"id":1,"name":"Mira","username":"mira_bot","bot":true},"at":"2030-05-01T12:00:00Z","text":%q}}`, id, text)
}

func expect(t *testing.T, s *stream, want ...string) {
	t.Helper()

	for _, line := range want {
		if diff := cmp.Diff(line, s.next()); diff != "" {
			t.Fatalf("event (-want +got):\n%s", diff)
		}
	}
}

func TestStreamResumesWithoutGapsOrDoubles(t *testing.T) {
	t.Parallel()

	b := newBook()
	h := page.New(b, page.Options{})

	s := connect(t, h, "", "")
	expect(t, s, `reset {"chat":0}`) // without a cursor everything is new

	b.add(mira(), "one")
	b.add(mira(), "two")
	expect(t, s, said(1, "one"), said(2, "two"))
	s.close()

	b.add(mira(), "three")

	again := connect(t, h, "?after="+s.cursor, "")
	b.add(mira(), "four")
	expect(t, again, said(3, "three"), said(4, "four"))
	again.close()

	b.add(mira(), "five")

	// The address is as old as the page, the header is not.
	third := connect(t, h, "?after="+s.cursor, again.cursor)
	b.add(mira(), "six")
	expect(t, third, said(5, "five"), said(6, "six"))
}

func TestStreamSaysThatItForgot(t *testing.T) {
	t.Parallel()

	b := newBook()
	b.kept = 2
	h := page.New(b, page.Options{})

	s := connect(t, h, "", "")
	expect(t, s, `reset {"chat":0}`)
	s.close()

	epoch := strings.TrimSuffix(s.cursor, "0")

	for i := range 4 {
		b.add(mira(), fmt.Sprint(i+1))
	}

	for name, test := range map[string]struct {
		cursor string
		first  string
	}{
		"remembered":      {epoch + "2", said(3, "3")},
		"forgotten":       {epoch + "1", `reset {"chat":0}`},
		"in the future":   {epoch + "9", `reset {"chat":0}`},
		"another process": {"OTHER-2", `reset {"chat":0}`},
		"no number":       {epoch + "x", `reset {"chat":0}`},
		"nonsense":        {"-", `reset {"chat":0}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := connect(t, h, "", test.cursor)
			expect(t, s, test.first)

			// After a reset the cursor is good again.
			if strings.HasPrefix(test.first, "reset") && s.cursor != epoch+"4" {
				t.Errorf("the cursor is %s, want %s4", s.cursor, epoch)
			}
		})
	}
}

func TestStreamEndsWithTheFeed(t *testing.T) {
	t.Parallel()

	b := newBook()
	s := connect(t, page.New(b, page.Options{}), "", "")
	expect(t, s, `reset {"chat":0}`)

	b.add(mira(), "last words")
	b.end()
	expect(t, s, said(1, "last words"), "")
}

func TestStreamShowsThatItIsAlive(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		s := connect(t, page.New(b, page.Options{}), "", "")
		expect(t, s, `reset {"chat":0}`)

		cursor := s.cursor
		start := time.Now()

		expect(t, s, "alive {}", "alive {}")

		if waited := time.Since(start); waited != 30*time.Second || s.cursor != cursor {
			t.Errorf("two signs of life in %s, cursor %s", waited, s.cursor)
		}

		b.add(mira(), "awake")
		expect(t, s, said(1, "awake"))
		s.close()
	})
}

func TestTypingHasNoCursor(t *testing.T) {
	t.Parallel()

	b := newBook()
	h := page.New(b, page.Options{})
	s := connect(t, h, "", "")
	expect(t, s, `reset {"chat":0}`)

	cursor, who := s.cursor, mira()

	b.mu.Lock()
	b.tell(page.Event{Kind: page.Typing, Chat: clubID, Member: &who})
	b.mu.Unlock()

	expect(t, s, `typing {"chat":-1001,"member":{"id":1,"name":"Mira","username":"mira_bot","bot":true}}`)

	if s.cursor != cursor {
		t.Errorf("the cursor moved to %s", s.cursor)
	}
}

// A reader behind a dead connection must not hold anything for ever.
func TestStreamSetsDeadlines(t *testing.T) {
	t.Parallel()

	w := &stalled{header: http.Header{}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/page/events", nil)

	page.New(newBook(), page.Options{}).ServeHTTP(w, r) // returns, although the request lives

	if len(w.deadlines) == 0 || time.Until(w.deadlines[0]) > 10*time.Second || w.deadlines[0].IsZero() {
		t.Errorf("deadlines %v, want one in 10 s", w.deadlines)
	}
}

// stalled is a connection whose first write runs into its deadline.
type stalled struct {
	header    http.Header
	deadlines []time.Time
}

func (s *stalled) Header() http.Header       { return s.header }
func (s *stalled) WriteHeader(int)           {}
func (s *stalled) Flush()                    {}
func (s *stalled) Write([]byte) (int, error) { return 0, context.DeadlineExceeded }

func (s *stalled) SetWriteDeadline(at time.Time) error {
	s.deadlines = append(s.deadlines, at)

	return nil
}
