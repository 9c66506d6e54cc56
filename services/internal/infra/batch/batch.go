// Package batch makes one call of many that come at the same time.
package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Group gathers what comes while its calls are under way, and makes the next call
// for all of it. So whoever comes alone waits for nobody, and the more come, the
// less each costs. It is safe for concurrent use, and has no goroutines: of those
// who wait, the first makes the call.
type Group[I, O any] struct {
	cfg   Config
	call  func(ctx context.Context, items []I) ([]O, error)
	mu    sync.Mutex
	queue []*member[I, O]
	calls int
}

// Config is how a group calls.
type Config struct {
	Max     int           // items of a call at most
	Calls   int           // calls under way at a time at most
	Timeout time.Duration // of a call
}

// member is an item with what became of it.
type member[I, O any] struct {
	item  I
	out   O
	err   error
	ended chan struct{} // closed when out and err are there
	leads chan struct{} // closed when it is to make the next call
}

// New makes a group. Call is given one item or more, and returns what became of
// each, or an error: then each is tried by itself, so that one that spoils the
// call does not spoil the others.
func New[I, O any](cfg Config, call func(ctx context.Context, items []I) ([]O, error)) *Group[I, O] {
	return &Group[I, O]{cfg: cfg, call: call}
}

// Do waits until a call was made with the item, and returns what became of it. It
// does not end with the context, but with the group's time-out.
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

// lead makes a call for a member and those who wait, and leaves the next call to
// the first of those who have come meanwhile.
func (g *Group[I, O]) lead(ctx context.Context, first *member[I, O]) {
	runtime.Gosched() // whoever is about to come goes with it
	g.mu.Lock()
	n := min(len(g.queue), g.cfg.Max-1)
	members := append([]*member[I, O]{first}, g.queue[:n]...)
	clear(g.queue[:n])
	g.queue = g.queue[n:]
	g.mu.Unlock()

	// Also if the call panics: those who wait must not wait for ever.
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
			_ = g.together(ctx, []*member[I, O]{m}) // it is the member's own now
		}
	}
}

var errPanicked = errors.New("the call that was made for it and others has panicked")

// together makes one call for all of the members.
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
