// Package batch combines concurrent calls into one.
package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Group collects items while calls are under way, and makes the next call with all of them.
// A single item doesn't wait, and the more items come, the less each costs. It is safe for
// concurrent use. It has no goroutines: one of the waiting callers makes the call.
type Group[I, O any] struct {
	cfg   Config
	call  func(ctx context.Context, items []I) ([]O, error)
	mu    sync.Mutex
	queue []*member[I, O]
	calls int
}

// Config holds the limits of a group.
type Config struct {
	Max     int           // limit of one call's items
	Calls   int           // limit of concurrent calls
	Timeout time.Duration // of a call
}

// member is an item with its result.
type member[I, O any] struct {
	item  I
	out   O
	err   error
	ended chan struct{} // closed when out and err are there
	leads chan struct{} // closed when it must make the next call
}

// New returns a group. call gets one or more items and returns their results, or an error.
// After an error each item is tried alone, so that one bad item doesn't spoil the others.
func New[I, O any](cfg Config, call func(ctx context.Context, items []I) ([]O, error)) *Group[I, O] {
	return &Group[I, O]{cfg: cfg, call: call}
}

// Do waits until a call was made with the item, and returns its result. It ends with the
// group's time-out, not with the context.
func (g *Group[I, O]) Do(ctx context.Context, item I) (O, error) {
	m := &member[I, O]{item: item, ended: make(chan struct{}), leads: make(chan struct{})}
	g.mu.Lock()
	if g.calls < g.cfg.Calls {
		g.calls++
		g.mu.Unlock()
		g.lead(ctx, m)
		return m.out, m.err
	}
	g.queue = append(g.queue, m)
	g.mu.Unlock()
	select {
	case <-m.ended:
	case <-m.leads:
		g.lead(ctx, m)
	}
	return m.out, m.err
}

// lead makes a call for a member and all waiting ones. Then it passes the lead to the first
// one that has come since.
func (g *Group[I, O]) lead(ctx context.Context, first *member[I, O]) {
	runtime.Gosched() // lets callers that are about to queue join this call
	g.mu.Lock()
	n := min(len(g.queue), g.cfg.Max-1)
	members := append([]*member[I, O]{first}, g.queue[:n]...)
	clear(g.queue[:n])
	g.queue = g.queue[n:]
	g.mu.Unlock()

	// Deferred, so that waiting callers return even if the call panics.
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, m := range members {
			close(m.ended)
		}
		if len(g.queue) == 0 {
			g.calls--
			return
		}
		next := g.queue[0]
		g.queue[0] = nil
		g.queue = g.queue[1:]
		close(next.leads)
	}()
	for _, m := range members {
		m.err = errPanicked
	}
	if g.together(ctx, members) != nil && len(members) > 1 {
		for _, m := range members {
			_ = g.together(ctx, []*member[I, O]{m}) // the error is the member's own now
		}
	}
}

var errPanicked = errors.New("the call that was made for it and others has panicked")

// together makes one call for all members.
func (g *Group[I, O]) together(ctx context.Context, members []*member[I, O]) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.Timeout)
	defer cancel()
	items := make([]I, len(members))
	for i, m := range members {
		items[i] = m.item
	}
	out, err := g.call(ctx, items)
	if err == nil && len(out) != len(items) {
		err = fmt.Errorf("%d results for %d items", len(out), len(items))
	}
	for i, m := range members {
		m.err = err
		if err == nil {
			m.out = out[i]
		}
	}
	return err
}
