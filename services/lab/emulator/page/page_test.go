package page_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/lab/emulator/page"
	"github.com/chorus-cast/chorus/services/lab/emulator/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book is a chat in memory that remembers all its events, or as many as kept says.
type book struct {
	mu       sync.Mutex
	messages []page.Message
	events   []page.Event
	kept     int // how many of the latest events are remembered; 0: all
	more     chan struct{}
	closed   bool
	broken   error // what every call fails with
}

const clubID = -1001

func mira() page.Member { return page.Member{ID: 1, Name: "Mira", Username: "mira_bot", Bot: true} }
func ada() page.Member  { return page.Member{ID: 2, Name: "Ada"} }

func newBook() *book { return &book{more: make(chan struct{})} }

func (b *book) Chats() []page.Chat {
	chat, err := b.Chat(clubID)
	if err != nil {
		return nil
	}

	return []page.Chat{{ID: -1, Title: "Empty"}, chat}
}

func (b *book) Chat(id int64) (page.Chat, error) {
	if id != clubID {
		return page.Chat{}, &world.InputError{Field: "chat", Value: "5", Allowed: "a chat that exists"}
	}

	last, err := b.History(id, 0, 1)
	chat := page.Chat{ID: id, Title: "Club", Members: []page.Member{mira(), ada()}}

	if len(last) > 0 {
		chat.Last = &last[0]
	}

	return chat, err
}

func (b *book) History(_, before int64, limit int) ([]page.Message, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	end := len(b.messages)
	if before > 0 {
		end = min(end, int(before)-1)
	}

	return slices.Clone(b.messages[max(0, end-limit):end]), b.broken
}

func (b *book) add(from page.Member, text string) page.Message {
	b.mu.Lock()
	defer b.mu.Unlock()

	m := page.Message{ID: int64(len(b.messages)) + 1, From: from, Text: text, At: time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)}
	b.messages = append(b.messages, m)
	b.tell(page.Event{Revision: uint64(len(b.events)) + 1, Kind: page.Said, Chat: clubID, Message: &m})

	return m
}

func (b *book) tell(e page.Event) {
	b.events = append(b.events, e)
	close(b.more)
	b.more = make(chan struct{})
}

func (b *book) end() {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.closed = true
	close(b.more)
	b.more = make(chan struct{})
}

func (b *book) Revision() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()

	return uint64(len(b.events))
}

func (b *book) Watch(_ context.Context, after uint64) (page.Feed, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()

	now := uint64(len(b.events))
	if after > now || (b.kept > 0 && now-after > uint64(b.kept)) {
		return &reader{book: b, at: now}, false
	}

	return &reader{book: b, at: after}, true
}

type reader struct {
	book *book
	at   uint64
}

func (r *reader) Next(ctx context.Context) (page.Event, error) {
	for {
		r.book.mu.Lock()
		more, closed := r.book.more, r.book.closed
		waiting := r.book.events[r.at:]
		r.book.mu.Unlock()

		switch {
		case len(waiting) > 0:
			r.at++

			return waiting[0], nil
		case closed:
			return page.Event{}, io.EOF
		}

		select {
		case <-more:
		case <-ctx.Done():
			return page.Event{}, ctx.Err()
		}
	}
}

// ask sends a request to a handler, as the page itself does.
func ask(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()

	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:8080"+path, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	return w
}

// problem is the error in an answer.
func problem(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()

	var answer struct {
		Error string `json:"error"`
	}

	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}

	return answer.Error
}

func TestHistoryInPages(t *testing.T) {
	t.Parallel()

	b := newBook()
	for range 7 {
		b.add(mira(), "line")
	}

	h := page.New(b, page.Options{})

	for path, want := range map[string]struct {
		ids  []int64
		more bool
	}{
		"":                  {[]int64{1, 2, 3, 4, 5, 6, 7}, false},
		"?limit=3":          {[]int64{5, 6, 7}, true},
		"?limit=3&before=5": {[]int64{2, 3, 4}, true},
		"?limit=3&before=4": {[]int64{1, 2, 3}, false},
		"?before=1":         {nil, false},
	} {
		w := ask(t, h, "/page/chats/-1001/messages"+path)

		var got struct {
			Cursor   string         `json:"cursor"`
			More     bool           `json:"more"`
			Messages []page.Message `json:"messages"`
		}

		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v in %q", path, err, w.Body)
		}

		var ids []int64
		for _, m := range got.Messages {
			ids = append(ids, m.ID)
		}

		if diff := cmp.Diff(want.ids, ids); diff != "" || got.More != want.more || !strings.HasSuffix(got.Cursor, "-7") {
			t.Errorf("%s: more %v, cursor %s, ids (-want +got):\n%s", path, got.More, got.Cursor, diff)
		}
	}
}

func TestListHasTheLatestFirst(t *testing.T) {
	t.Parallel()

	b := newBook()
	b.add(mira(), "hello")

	w := ask(t, page.New(b, page.Options{}), "/page/chats")

	var got struct {
		Total int         `json:"total"`
		Chats []page.Chat `json:"chats"`
	}

	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}

	if got.Total != 2 || len(got.Chats) != 2 || got.Chats[0].Title != "Club" || got.Chats[1].Title != "Empty" {
		t.Fatalf("got %+v", got)
	}

	if last := got.Chats[0].Last; last == nil || last.Text != "hello" {
		t.Errorf("the last message is %+v", last)
	}
}

func TestReadBadInput(t *testing.T) {
	t.Parallel()

	h := page.New(newBook(), page.Options{})

	for path, want := range map[string]string{
		"/page/chats/x":                         `chat: "x"`,
		"/page/chats/5":                         `a chat that exists`,
		"/page/chats/club/messages":             `chat: "club" is not allowed, must be a whole number`,
		"/page/chats/-1001/messages?before=x":   `before: "x"`,
		"/page/chats/-1001/messages?before=-1":  `before: "-1"`,
		"/page/chats/-1001/messages?limit=0":    `limit: "0"`,
		"/page/chats/-1001/messages?limit=201":  `between 1 and 200`,
		"/page/chats/-1001/messages?limit=1e99": `between 1 and 200`,
	} {
		if w := ask(t, h, path); w.Code != http.StatusBadRequest || !strings.Contains(problem(t, w), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestInnerFaultsStayInside(t *testing.T) {
	t.Parallel()

	b := newBook()
	b.broken = errors.New("disk /secret/path is full")
	w := ask(t, page.New(b, page.Options{}), "/page/chats/-1001/messages")

	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
