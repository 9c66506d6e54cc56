package news

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/publicnet"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// paper is a server of feeds.
type paper struct {
	mu    sync.Mutex
	calls []*http.Request
	body  string
	code  int
}

func (p *paper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, r)
	if p.code != 0 {
		w.WriteHeader(p.code)
		return
	}
	if r.Header.Get("If-None-Match") == `"v1"` {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("ETag", `"v1"`)
	_, _ = fmt.Fprint(w, p.body)
}

func rss(titles ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>`)
	for i, t := range titles {
		fmt.Fprintf(&b, `<item><title>%s</title><guid>%d</guid><pubDate>%s</pubDate></item>`, t, i, time.Now().Add(-time.Duration(i+1)*time.Minute).Format(time.RFC1123Z))
	}
	return b.String() + `</channel></rss>`
}

func open(t *testing.T, p *paper, private bool) (*News, *pgxpool.Pool, string) {
	t.Helper()
	t.Parallel()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	cfg := DefaultConfig()
	cfg.Feeds, cfg.Private, cfg.MaxSize = []string{"books=" + server.URL}, private, 20_000
	pool := journaltest.Open(t)
	n := New(cfg, pool, time.Now, testenv.Logger(t))
	t.Cleanup(n.client.CloseIdleConnections)
	return n, pool, server.URL
}

func deals(t *testing.T, n *News, topic string) string {
	t.Helper()
	title, err := n.Deal(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return title
}

func TestHeadlinesAreDealtOutInTurn(t *testing.T) {
	p := &paper{body: rss("First &lt;b&gt;", "Second", "Third")}
	n, pool, _ := open(t, p, true)
	if err := n.fetchDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 4 {
		got = append(got, deals(t, n, "Books"))
	}
	if want := "First <b>|Second|Third|First <b>"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := deals(t, n, "films"); got != "" {
		t.Errorf("%q is on another topic", got)
	}
	// The second request has the first answer's validators, and gets 304.
	if _, err := pool.Exec(t.Context(), `UPDATE feeds SET next_at = now()`); err != nil {
		t.Fatal(err)
	}
	if err := n.fetchDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(p.calls) != 2 || p.calls[1].Header.Get("If-None-Match") != `"v1"` {
		t.Errorf("%d calls", len(p.calls))
	}
	if err := n.fetchDue(t.Context()); err != nil || len(p.calls) != 2 {
		t.Errorf("%d calls before its time, %v", len(p.calls), err)
	}
}

func TestAFeedThatCantBeReadIsLeftAlone(t *testing.T) {
	for name, test := range map[string]struct {
		paper   *paper
		private bool
		want    string
	}{
		"an error":          {&paper{code: 503}, true, "it answers 503"},
		"no feed":           {&paper{body: "<html>"}, true, "read a feed"},
		"endless":           {&paper{body: rss(strings.Repeat("x", 30_000))}, true, "it is longer than 20000 bytes"},
		"a private address": {&paper{body: rss("x")}, false, publicnet.ErrPrivate.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			n, pool, _ := open(t, test.paper, test.private)
			if err := n.fetchDue(t.Context()); err != nil {
				t.Fatal(err)
			}
			var trouble string
			var later bool
			if err := pool.QueryRow(t.Context(), `SELECT trouble, next_at > now() + interval '14 minutes' FROM feeds`).Scan(&trouble, &later); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(trouble, test.want) || !later {
				t.Errorf("trouble %q, left alone: %t", trouble, later)
			}
			if got := deals(t, n, "books"); got != "" {
				t.Errorf("deals %q", got)
			}
			if test.want == publicnet.ErrPrivate.Error() && len(test.paper.calls) > 0 {
				t.Error("a private address was asked")
			}
		})
	}
}
