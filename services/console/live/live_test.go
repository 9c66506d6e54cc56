package live_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/console/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// follow opens a page's stream and returns a function that reads its next message.
func follow(t *testing.T, server *httptest.Server, query string) (next func() string) {
	t.Helper()
	ctx, leave := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(leave)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/live"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	next = func() string {
		for lines.Scan() {
			if line := lines.Text(); line != "" && !strings.HasPrefix(line, "data") {
				return line
			}
		}
		return "the end"
	}
	if first := next(); first != ": open" {
		t.Fatalf("it begins with %q", first)
	}
	return next
}

func turn(chat int64) *chorusv1.Event {
	return &chorusv1.Event{Turns: []*chorusv1.TurnId{{ChatId: chat, Number: 1}}}
}

// TestAPageIsToldOfItsChatOnly announces changes of other chats first: a page that got those,
// too, would get two messages.
func TestAPageIsToldOfItsChatOnly(t *testing.T) {
	t.Parallel()
	for query, c := range map[string]struct {
		others []string // what it is not told
		what   string
		event  *chorusv1.Event
	}{
		"?chat=7":          {nil, subject.Planned, turn(7)},
		"":                 {nil, subject.Planned, turn(3)},
		"?chat=7&of=lines": {[]string{subject.Planned, subject.Written, subject.Expired}, subject.Heard, &chorusv1.Event{Chats: []int64{7}}},
	} {
		hub := &live.Hub{}
		server := httptest.NewServer(hub)
		next := follow(t, server, query)
		if query != "" {
			hub.Told(c.what, turn(8))
		}
		for _, other := range c.others {
			hub.Told(other, turn(7))
		}
		heard := make(chan string, 1)
		go func() { heard <- next() }()
		select {
		case got := <-heard:
			t.Errorf("%q is told %q of what is not its own", query, got)
		case <-time.After(50 * time.Millisecond):
		}
		hub.Told(c.what, c.event)
		if got := <-heard; got != "event: changed" {
			t.Errorf("%q is told %q", query, got)
		}
		server.CloseClientConnections()
		server.Close()
	}
}

// TestNobodyWaitsForAPage tells much to a page that reads nothing.
func TestNobodyWaitsForAPage(t *testing.T) {
	t.Parallel()
	hub := &live.Hub{}
	server := httptest.NewServer(hub)
	follow(t, server, "?chat=7")
	began := time.Now()
	for range 100_000 {
		hub.Told(subject.Sent, turn(7))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	server.CloseClientConnections()
	server.Close()
}

func TestAChatIsNamedByItsNumber(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	(&live.Hub{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/live?chat=x", nil))
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "want its number") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

// one listens for one connection.
type one chan net.Conn

func (o one) Accept() (net.Conn, error) {
	c, open := <-o
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (o one) Close() error {
	close(o)
	return nil
}

func (o one) Addr() net.Addr { return &net.IPAddr{} }

func TestAPageThatReadsNothingIsLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub, ended := &live.Hub{}, make(chan struct{})
		server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			hub.ServeHTTP(w, r)
		})}
		listener := make(one)
		go func() { _ = server.Serve(listener) }()
		page, there := net.Pipe() // which holds nothing that was not read
		listener <- there
		if _, err := page.Write([]byte("GET /live HTTP/1.1\r\nHost: console\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		<-ended
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("it was kept for %v", took)
		}
		_ = page.Close()
		_ = server.Close()
	})
}
