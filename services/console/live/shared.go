package live

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"
)

// Shared reads once what several pages ask for. It is safe for concurrent use; its zero value
// is ready. A key must name everything that a reading depends on, and when: calls with the
// same key share a reading for the next seconds.
type Shared[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]*reading[V]
}

type reading[V any] struct {
	began time.Time
	done  chan struct{}
	value V
	err   error
}

const (
	// remembered is how long a reading is shared: the delay of a slow connection.
	remembered = 2 * time.Second
	// patience limits a reading. It doesn't end with the page that asked first.
	patience = 10 * time.Second
)

// Get returns the reading for a key.
func (s *Shared[K, V]) Get(ctx context.Context, key K, read func(context.Context) (V, error)) (V, error) {
	s.mu.Lock()
	s.forget()
	r, is := s.known[key]
	if !is {
		r = &reading[V]{began: time.Now(), done: make(chan struct{})}
		s.known[key] = r
	}
	s.mu.Unlock()
	if !is {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		r.value, r.err = read(ctx)
		if r.err != nil {
			s.mu.Lock()
			delete(s.known, key)
			s.mu.Unlock()
		}
		close(r.done)
	}
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

// forget makes room for new readings: what changed without being told is seen, too.
func (s *Shared[K, V]) forget() {
	if s.known == nil {
		s.known = map[K]*reading[V]{}
	}
	for k, old := range s.known {
		if time.Since(old.began) > patience+remembered {
			delete(s.known, k)
		}
	}
}

// Fragment is a part of a page that is the same for everybody, and is told of changes at
// most so often, and always at the same moments: then it is read and rendered once for all
// who have the page open.
type Fragment struct {
	Every time.Duration

	shared Shared[time.Time, string]
}

// Stream returns the address of the stream that tells a page when to ask for the fragment
// again.
func (f *Fragment) Stream() string { return "/live?every=" + f.Every.String() }

// HTML is the fragment. What has changed before the last moment at which pages were told is
// in it.
func (f *Fragment) HTML(ctx context.Context, body func(context.Context) (templ.Component, error)) (string, error) {
	return f.shared.Get(ctx, time.Now().Truncate(f.Every), func(ctx context.Context) (string, error) {
		c, err := body(ctx)
		if err != nil {
			return "", err
		}
		var text strings.Builder
		if err := c.Render(ctx, &text); err != nil {
			return "", fmt.Errorf("render: %w", err)
		}
		return text.String(), nil
	})
}
