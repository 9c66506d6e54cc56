package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/console/access"
)

// Pages that show a chat and have come as far are told what was read for one of them, until
// something is said there. Where no page is open, each request reads.
func TestPagesOfAChatShareWhatIsNew(t *testing.T) {
	c := newClub(t)
	path := fmt.Sprintf("/chats/%d/lines?after=%d&turn=0&since=0", c.chat, c.person("Tom", "First."))
	has := func(want int, text string) {
		t.Helper()
		if w := c.as(access.Viewer, http.MethodGet, path, nil); w.Code != want || !strings.Contains(w.Body.String(), text) {
			t.Errorf("it answers %d, want %d with %q:\n%s", w.Code, want, text, w.Body)
		}
	}
	has(http.StatusNoContent, "")
	second := c.person("Tom", "Second.")
	has(http.StatusOK, "Second.")
	c.exec(`DELETE FROM messages WHERE number = $1`, second)

	ctx, leave := context.WithCancel(t.Context())
	var open sync.WaitGroup
	ready := make(chan struct{})
	w := flushed{httptest.NewRecorder(), sync.OnceFunc(func() { close(ready) })}
	open.Go(func() {
		c.served.live.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("/live?of=lines&chat=%d", c.chat), nil))
	})
	<-ready
	has(http.StatusNoContent, "")
	c.person("Tom", "Third.")
	has(http.StatusNoContent, "") // it was read for another page
	c.served.live.Told(subject.Heard, &chorusv1.Event{Chats: []int64{c.chat}})
	has(http.StatusOK, "Third.")
	leave()
	open.Wait()
}

// flushed tells when something was sent.
type flushed struct {
	*httptest.ResponseRecorder

	sent func()
}

// Flush implements http.Flusher.
func (f flushed) Flush() { f.sent() }
