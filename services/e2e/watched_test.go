package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// openPages is the number of open pages, and watchedChats the number of chats that the
	// pages of chats show.
	openPages, watchedChats = 100, 20
	// watchedRate in turns/s is the load during the measurement.
	watchedRate = 65
	watchedFor  = 10 * time.Second
	// watchedRounds is the number of measurements without and with open pages. The order
	// alternates, because the machine and the database vary from minute to minute.
	watchedRounds = 10
)

// BenchmarkWatched prints by how much a turn costs more while people watch 100 pages of the
// console, in CPU of PostgreSQL, NATS and all services. The console's work counts, the
// browsers' doesn't.
func BenchmarkWatched(b *testing.B) {
	for b.Loop() {
		p := newPipeline(b)
		p.renew("generator", "sender", "planner", "console")
		v := newViewer(p)
		p.offer(watchedRate, watchedFor) // fills caches and opens connections
		var without, with cost
		for n := range 2 * watchedRounds {
			if n%4 == 1 || n%4 == 2 {
				closeAll := v.openAll()
				with = with.and(p.offer(watchedRate, watchedFor))
				told, asked := closeAll()
				b.Logf("%d pages were told %d times, and asked %d times", openPages, told, asked)
				if told == 0 || asked == 0 {
					b.Fatal("the pages saw nothing")
				}
			} else {
				without = without.and(p.offer(watchedRate, watchedFor))
			}
		}
		b.Logf("without %.0f us a turn and %.1f turns/s, with %.0f us and %.1f", without.microsPerTurn(), without.rate(), with.microsPerTurn(), with.rate())
		fmt.Printf("figure console.pages_100_cost_ratio %.3f ratio\n", with.microsPerTurn()/without.microsPerTurn())
	}
}

// and adds the costs of two periods.
func (c cost) and(d cost) cost {
	return cost{
		delivered: c.delivered + d.delivered, took: c.took + d.took, silence: max(c.silence, d.silence), cpu: c.cpu + d.cpu, statements: c.statements + d.statements,
	}
}

// viewer is a person who is logged in to a console and watches pages like a browser.
type viewer struct {
	p           *pipeline
	client      *http.Client
	url         string
	told, asked atomic.Int64
}

func newViewer(p *pipeline) *viewer {
	p.b.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.b.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: openPages}
	p.b.Cleanup(transport.CloseIdleConnections)
	link := strings.TrimSpace(p.run("console", "link"))
	at, code, _ := strings.Cut(link, "/join#")
	v := &viewer{p: p, client: &http.Client{Jar: jar, Transport: transport}, url: at}
	form := url.Values{"code": {code}, "name": {"anna"}, "password": {"a long enough password"}}
	r, err := http.NewRequestWithContext(p.b.Context(), http.MethodPost, at+"/join", strings.NewReader(form.Encode()))
	if err != nil {
		p.b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := v.client.Do(r)
	if err != nil {
		p.b.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Request.URL.Path != "/" {
		p.b.Fatalf("the viewer could not join: %s at %s", answer.Status, answer.Request.URL)
	}
	return v
}

// pages returns the watched pages: mainly chats, several people on the same one.
func (v *viewer) pages() []string {
	var all []string
	first := one[int64](v.p.b, v.p.db, `SELECT min(id) FROM chats`)
	for i := range openPages {
		switch i % 20 {
		case 0, 1, 2, 3:
			all = append(all, "/")
		case 4, 5:
			all = append(all, "/operate")
		case 6:
			all = append(all, "/approve")
		case 7:
			all = append(all, one[string](v.p.b, v.p.db, `SELECT '/chats/' || chat_id || '/turns/' || turn_no FROM turns ORDER BY closed_at IS NULL DESC, planned_at DESC LIMIT 1`))
		default:
			all = append(all, fmt.Sprintf("/chats/%d", first+int64(i%watchedChats)))
		}
	}
	return all
}

// openAll opens all pages until closeAll is called. That returns how often the pages were
// notified of a change, and how often they fetched one.
func (v *viewer) openAll() (closeAll func() (told, asked int64)) {
	v.p.b.Helper()
	v.told.Store(0)
	v.asked.Store(0)
	ctx, cancel := context.WithCancel(v.p.b.Context())
	var open, ready sync.WaitGroup
	for _, page := range v.pages() {
		ready.Add(1)
		open.Go(func() { v.look(ctx, page, ready.Done) })
	}
	ready.Wait()
	return func() (int64, int64) {
		cancel()
		open.Wait()
		return v.told.Load(), v.asked.Load()
	}
}

// look opens a page and follows its changes until the context ends.
func (v *viewer) look(ctx context.Context, page string, ready func()) {
	ready = sync.OnceFunc(ready)
	defer ready()
	shown, err := v.get(ctx, page)
	if err != nil {
		v.p.b.Errorf("%s: %v", page, err)
		return
	}
	body, err := io.ReadAll(shown.Body)
	shown.Body.Close()
	if err != nil || shown.StatusCode != http.StatusOK {
		v.p.b.Errorf("%s: %s: %v", page, shown.Status, err)
		return
	}
	text := string(body)
	stream, fetch := attribute(text, "sse-connect"), attribute(text, "hx-get", `hx-trigger="sse:changed`)
	if stream == "" {
		return // the page of a turn that has ended
	}
	events, err := v.get(ctx, stream)
	if err != nil {
		v.p.b.Errorf("%s: %v", stream, err)
		return
	}
	defer events.Body.Close()
	ready()
	seen := position(text)
	for lines := bufio.NewScanner(events.Body); lines.Scan(); {
		if lines.Text() != "event: changed" {
			continue
		}
		v.told.Add(1)
		v.asked.Add(1)
		answer, err := v.get(ctx, fetch+seen, "HX-Request: true")
		if err != nil {
			return // the page is closed
		}
		if body, err = io.ReadAll(answer.Body); err == nil && answer.StatusCode == http.StatusOK && seen != "" {
			seen = position(string(body))
		}
		answer.Body.Close()
	}
}

func (v *viewer) get(ctx context.Context, path string, headers ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return v.client.Do(r)
}

// attribute returns the first attribute with a name, in a tag of the page that contains all
// words.
func attribute(page, name string, words ...string) string {
	for _, tag := range regexp.MustCompile(`<[a-z][^>]*>`).FindAllString(page, -1) {
		has := true
		for _, w := range words {
			has = has && strings.Contains(tag, w)
		}
		if found := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag); has && found != nil {
			return html.UnescapeString(found[1])
		}
	}
	return ""
}

// position returns a chat page's position, which its requests contain; empty for other
// pages.
func position(page string) string {
	_, form, has := strings.Cut(page, `id="seen"`)
	if !has {
		return ""
	}
	all := url.Values{}
	for _, field := range regexp.MustCompile(`name="(after|turn|since)" value="(\d+)"`).FindAllStringSubmatch(form, 3) {
		all.Set(field[1], field[2])
	}
	return "?" + all.Encode()
}
