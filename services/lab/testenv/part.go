package testenv

import (
	"context"
	"sync"
	"testing"
	"time"
)

const (
	// partPatience bounds waits for the part that is tested; only a broken one
	// takes so long.
	partPatience = 30 * time.Second
	lookEvery    = 10 * time.Millisecond
)

// Background runs a part of a program until the test or the returned function
// ends it, which may be called any number of times. Its error fails the test,
// and so does a part that does not stop.
func Background(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(partPatience):
			t.Error("a part does not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}

// Eventually waits until something is so. Is tells also what it saw.
func Eventually(t testing.TB, what string, is func() (saw string, ok bool)) {
	t.Helper()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), partPatience)
	defer cancel()
	for {
		saw, ok := is()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s; it is %q", what, saw)
		}
	}
}
