// Package runtest is the suite that every long-running part passes.
package runtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/run"
)

const (
	// rounds of starting and stopping at a random time.
	rounds = 30
	// longest a part lives in a round.
	longest = 20 * time.Millisecond
)

// Stress starts and stops parts in every order that happens in practice: stopped
// before it started, as soon as it started, after a random time, several times
// at once, and with a deadline. Each time the part must return within its grace,
// with nil or an error that wraps the context's, and leave no goroutine behind.
//
// newPart is called for each start. What it makes belongs to the part; what
// outlives it must be ready before Stress is called, or be named by an option.
// The test must not be parallel: goroutines of other tests would count.
func Stress(t *testing.T, newPart func(t testing.TB) run.Part, opts ...goleak.Option) {
	t.Helper()
	try := func(name string, life func(cancel context.CancelFunc)) {
		t.Helper()
		t.Run(name, func(t *testing.T) { once(t, newPart, life, opts) })
	}
	try("stopped before the start", nil)
	try("stopped at once", func(cancel context.CancelFunc) { cancel() })
	try("stopped by many", func(cancel context.CancelFunc) {
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(cancel)
		}
		callers.Wait()
	})
	try("stopped at a random time", func(cancel context.CancelFunc) { wait(longest); cancel() })
	t.Run("again and again", func(t *testing.T) {
		for i := range rounds {
			once(t, newPart, func(cancel context.CancelFunc) {
				if i%3 == 0 {
					runtime.Gosched()
				} else {
					wait(rand.N(longest)) //nolint:gosec // no secret
				}
				cancel()
			}, opts)
		}
	})
}

// once runs one part. Without a life its context has ended before.
func once(t *testing.T, newPart func(testing.TB) run.Part, life func(context.CancelFunc), opts []goleak.Option) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	part := newPart(t)
	grace := part.Grace
	if grace == 0 {
		grace = run.DefaultGrace
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if life == nil {
		cancel()
	}
	result := make(chan error, 1)
	go func() { result <- part.Run(ctx) }()
	if life != nil {
		life(cancel)
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case err := <-result:
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s ended with: %v", part.Name, err)
		}
	case <-late.C:
		stacks := make([]byte, 1<<20)
		t.Fatalf("%s has not stopped after %v\n%s", part.Name, grace, stacks[:runtime.Stack(stacks, true)])
	}
	if err := goleak.Find(append([]goleak.Option{before}, opts...)...); err != nil {
		t.Errorf("%s left goroutines behind: %v", part.Name, err)
	}
}

// wait lets a part live. How long is not what is tested.
func wait(d time.Duration) { <-time.After(d) }
