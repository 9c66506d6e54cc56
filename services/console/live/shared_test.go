package live_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a-h/templ"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/console/live"
)

// Calls with the same key, at the same time or soon after, share a reading, even if the first
// caller has left. A failed reading is tried again, and an old one is read anew.
func TestOneReadingServesAllWhoAskForTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s live.Shared[int, int]
		reads, fails := 0, errors.New("not now")
		read := func(ctx context.Context) (int, error) {
			reads++
			n := reads
			<-time.After(time.Second)
			if n == 1 {
				return 0, fails
			}
			return n, ctx.Err()
		}
		if _, err := s.Get(t.Context(), 7, read); !errors.Is(err, fails) {
			t.Errorf("the first reading: %v", err)
		}
		gone, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _, _ = s.Get(gone, 7, read) })
		synctest.Wait()
		leave()
		for range 20 {
			all.Go(func() {
				if got, err := s.Get(t.Context(), 7, read); got != 2 || err != nil {
					t.Errorf("got %d %v, want what was read second", got, err)
				}
			})
		}
		all.Wait()
		if got, err := s.Get(t.Context(), 8, read); got != 3 || err != nil {
			t.Errorf("another key gives %d %v", got, err)
		}
		<-time.After(time.Minute)
		if got, err := s.Get(t.Context(), 8, read); got != 4 || err != nil {
			t.Errorf("a minute later it gives %d %v, want what is so now", got, err)
		}
	})
}

// A fragment is rendered once between two moments at which pages are told.
func TestAFragmentIsRenderedOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := live.Fragment{Every: 5 * time.Second}
		rendered := 0
		body := func(context.Context) (templ.Component, error) {
			rendered++
			return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
				_, err := io.WriteString(w, strings.Repeat("x", rendered))
				return err
			}), nil
		}
		for _, want := range []string{"x", "x", "xx"} {
			if got, err := f.HTML(t.Context(), body); got != want || err != nil {
				t.Errorf("it is %q %v, want %q", got, err, want)
			}
			<-time.After(f.Every / 2)
		}
	})
}

// written is a message to a page, with its time.
type written struct {
	http.ResponseWriter

	mu   sync.Mutex
	told []time.Time
}

func (*written) Flush() {}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.Contains(string(b), "event: changed") {
		w.told = append(w.told, time.Now())
	}
	return len(b), nil
}

// Pages that want to be told seldom are told at the same moments, of all that came before.
func TestPagesThatFollowSlowlyAreToldTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := &live.Hub{}
		ctx, leave := context.WithCancel(t.Context())
		began := time.Now() // at a full second, as a bubble begins
		pages := []*written{{ResponseWriter: httptest.NewRecorder()}, {ResponseWriter: httptest.NewRecorder()}}
		var open sync.WaitGroup
		for _, p := range pages {
			open.Go(func() { hub.ServeHTTP(p, httptest.NewRequestWithContext(ctx, http.MethodGet, "/live?every=5s", nil)) })
			synctest.Wait()
			hub.Told(subject.Sent, turn(7))
			<-time.After(700 * time.Millisecond)
		}
		<-time.After(10 * time.Second)
		hub.Told(subject.Sent, turn(7))
		<-time.After(10 * time.Second)
		leave()
		open.Wait()
		want := []time.Time{began.Truncate(5 * time.Second).Add(5 * time.Second), began.Truncate(5 * time.Second).Add(15 * time.Second)}
		for _, p := range pages {
			if !slices.EqualFunc(p.told, want, time.Time.Equal) {
				t.Errorf("a page was told at %v, want %v", p.told, want)
			}
		}
	})
}

func TestAPageIsToldNoMoreSeldomThanEveryMinute(t *testing.T) {
	t.Parallel()
	for _, every := range []string{"x", "-1s", "2m"} {
		w := httptest.NewRecorder()
		(&live.Hub{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/live?every="+every, nil))
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "want a time up to 1m0s") {
			t.Errorf("%s: %d: %s", every, w.Code, w.Body)
		}
	}
}
