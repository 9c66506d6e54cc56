// Package runtest is the test suite for long-running parts.
package runtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

const (
	// rounds is the number of starts, each stopped at a random time.
	rounds = 30
	// longest limits the life of a part in a round.
	longest = 20 * time.Millisecond
	// searches is the number of half-second searches for leaked goroutines. A connecting
	// pool's goroutines end by themselves, on a busy machine late.
	searches = 40
)

// Stress starts and stops a part in every order that occurs in practice: stopped before the
// start, right after it, by several goroutines at once, and at random times. Each time the
// part must return within its grace, with nil or an error that wraps context.Canceled, and
// leave no goroutine behind.
//
// newPart is called for each start. The part owns what newPart creates. Anything that
// outlives it must exist before Stress, or be named in opts. The test must not be parallel:
// goroutines of other tests would count.
func Stress(t *testing.T, newPart func(t testing.TB) run.Part, opts ...goleak.Option) {
	t.Helper()
	for name, stop := range map[string]func(context.CancelFunc){
		"stopped before the start": nil,
		"stopped at once":          func(cancel context.CancelFunc) { cancel() },
		"stopped by many":          stopByMany,
		"stopped late":             func(cancel context.CancelFunc) { live(longest); cancel() },
		"stopped soon":             func(cancel context.CancelFunc) { runtime.Gosched(); cancel() },
	} {
		t.Run(name, func(t *testing.T) { report(t, once(t, newPart, stop, searches, opts)) })
	}
	t.Run("again and again", func(t *testing.T) {
		for range rounds {
			report(t, once(t, newPart, stopByChance, searches, opts))
		}
	})
}

func stopByMany(cancel context.CancelFunc) {
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(cancel)
	}
	callers.Wait()
}

func stopByChance(cancel context.CancelFunc) {
	live(rand.N(longest))
	cancel()
}

// live waits while a part runs. The test doesn't depend on the duration.
func live(d time.Duration) { <-time.After(d) }

func report(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// once runs one part and returns what is wrong. Without stop, the part's context has ended
// before the start.
func once(t testing.TB, newPart func(testing.TB) run.Part, stop func(context.CancelFunc), searches int, opts []goleak.Option) error {
	t.Helper()
	before := goleak.IgnoreCurrent()
	part := newPart(t)
	if part.Grace == 0 {
		part.Grace = run.DefaultGrace
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if stop == nil {
		cancel()
	}
	result := make(chan error, 1)
	go func() { result <- part.Run(ctx) }()
	if stop != nil {
		stop(cancel)
	}
	late := time.NewTimer(part.Grace)
	defer late.Stop()
	select {
	case err := <-result:
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s ended with: %w", part.Name, err)
		}
	case <-late.C:
		stacks := make([]byte, 1<<20)
		return fmt.Errorf("%s has not stopped after %v\n%s", part.Name, part.Grace, stacks[:runtime.Stack(stacks, true)])
	}
	var err error
	for range searches {
		if err = goleak.Find(append([]goleak.Option{before}, opts...)...); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s left goroutines behind: %w", part.Name, err)
}
