package publicnet

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// relay is a proxy that responds itself and records requests.
type relay struct {
	mu    sync.Mutex
	asked []string
}

func (p *relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r.Method+" "+r.Host)
	if r.URL.Path == "/away" {
		http.Redirect(w, r, "http://"+r.URL.Query().Get("to")+"/", http.StatusFound)
		return
	}
	if r.Method == http.MethodConnect {
		w.WriteHeader(http.StatusForbidden)
	}
}

func TestFeedsGoThroughTheProxyAndNotInside(t *testing.T) {
	t.Parallel()
	p := &relay{}
	server := httptest.NewServer(p) // on a private address, as proxies usually are
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"feeds.example.org": "1.1.1.1", "inside.example.org": "10.0.0.8", "both.example.org": "fd00::1"}
	resolve := func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if found, ok := names[host]; ok {
			return []netip.Addr{netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr(found)}, nil
		}
		return nil, errors.New("no such host")
	}
	c := client(5*time.Second, false, http.ProxyURL(at), resolve)
	t.Cleanup(c.CloseIdleConnections)
	get := func(address string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Do(r)
		if err == nil {
			err = answer.Body.Close()
		}
		return err
	}
	for _, address := range []string{"http://feeds.example.org/", "http://unknown.example.org/", "http://1.1.1.1/"} {
		if err := get(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	_ = get("https://feeds.example.org/") // this proxy opens no tunnels
	want := []string{"GET feeds.example.org", "GET unknown.example.org", "GET 1.1.1.1", "CONNECT feeds.example.org:443"}
	if !slices.Equal(p.asked, want) {
		t.Errorf("the proxy was asked for %q, want %q", p.asked, want)
	}
	p.asked = nil
	for _, address := range []string{
		"http://inside.example.org/", "https://inside.example.org/", "http://both.example.org/", "http://INSIDE.example.org./",
		"http://10.0.0.8/", "http://127.0.0.1/", "http://[::1]/", "http://[::ffff:10.0.0.8]/", "http://169.254.169.254/latest/",
		"http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://localhost/", "http://redis/", "http://metadata.google.internal/", "http://nas.local/",
	} {
		if err := get(address); !errors.Is(err, ErrPrivate) || len(p.asked) > 0 {
			t.Errorf("%s: %v, the proxy was asked for %q", address, err, p.asked)
		}
	}
	for _, to := range []string{"10.0.0.8", "inside.example.org", "localhost"} {
		p.asked = nil
		if err := get("http://feeds.example.org/away?to=" + to); !errors.Is(err, ErrPrivate) || len(p.asked) != 1 {
			t.Errorf("redirected to %s: %v, the proxy was asked for %q", to, err, p.asked)
		}
	}
	direct := client(5*time.Second, false, func(*http.Request) (*url.URL, error) { return nil, nil }, resolve) //nolint:nilnil // as in http.Transport
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	answer, err := direct.Do(r)
	if err == nil {
		_ = answer.Body.Close()
	}
	if !errors.Is(err, ErrPrivate) {
		t.Errorf("past the proxy: %v", err)
	}
}
