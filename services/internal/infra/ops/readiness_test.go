package ops

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// pass advances the bubble's clock.
func pass(d time.Duration) { <-time.After(d) }

func TestChecksRunSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		r := newReadiness(t.Context(), zap.NewNop(), []Check{
			{Name: "a", Probe: slow}, {Name: "b", Probe: slow}, {Name: "c", Probe: slow, Timeout: 500 * time.Millisecond},
		})
		defer r.close()
		began := time.Now()
		got := r.look(t.Context())
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
		if diff := cmp.Diff([]result{{"a", true, ""}, {"b", true, ""}, {"c", false, "no answer within 500ms"}}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestResultsAreSharedForASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		r := newReadiness(t.Context(), zap.NewNop(), []Check{{Name: "a", Probe: func(context.Context) error {
			looks++
			pass(100 * time.Millisecond)
			return nil
		}}})
		defer r.close()
		for second := 1; second <= 3; second++ {
			var callers sync.WaitGroup
			for range 50 {
				callers.Go(func() { r.look(t.Context()) })
			}
			callers.Wait()
			if looks != second {
				t.Errorf("after %d seconds there were %d looks", second, looks)
			}
			pass(fresh)
		}
	})
}

func TestHangingProbeIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts atomic.Int32
		release := make(chan struct{})
		r := newReadiness(t.Context(), zap.NewNop(), []Check{{Name: "a", Probe: func(context.Context) error {
			starts.Add(1)
			<-release
			return nil
		}}})
		defer r.close()
		if got := r.look(t.Context())[0]; got.OK || got.Error != "no answer within 2s" {
			t.Errorf("got %+v", got)
		}
		for range 3 {
			pass(fresh)
			if got := r.look(t.Context())[0]; got.OK || got.Error != "an earlier look has not ended" || starts.Load() != 1 {
				t.Errorf("got %+v after %d starts", got, starts.Load())
			}
		}
		close(release)
		pass(fresh)
		if got := r.look(t.Context())[0]; !got.OK || starts.Load() != 2 {
			t.Errorf("got %+v after %d starts", got, starts.Load())
		}
	})
}

func TestChangesAreLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logged := observer.New(zap.DebugLevel)
		var state error
		r := newReadiness(t.Context(), zap.New(core), []Check{{Name: "a", Probe: func(context.Context) error { return state }}})
		defer r.close()
		for _, next := range []error{nil, nil, errors.New("gone"), errors.New("gone"), nil, nil} {
			state = next
			r.look(t.Context())
			pass(fresh)
		}
		var got []any
		for _, e := range logged.All() {
			got = append(got, e.ContextMap()["ok"])
		}
		if diff := cmp.Diff([]any{false, true}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhoAsksDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReadiness(t.Context(), zap.NewNop(), []Check{{Name: "a", Probe: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}})
		var first []result
		var looker sync.WaitGroup
		looker.Go(func() { first = r.look(t.Context()) })
		synctest.Wait()
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := r.look(impatient); got != nil {
			t.Errorf("got %+v", got)
		}
		r.close() // it also ends the first look
		looker.Wait()
		if len(first) != 1 || first[0].OK {
			t.Errorf("the first look found %+v", first)
		}
		if got := r.look(t.Context()); got != nil {
			t.Errorf("after the end: %+v", got)
		}
	})
}

// A costly check runs rarely while it succeeds, and every second while it fails.
func TestCostlyChecksAreRunSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ill error
		looks := 0
		r := newReadiness(t.Context(), zap.NewNop(), []Check{{Name: "a", Every: 10 * time.Second, Probe: func(context.Context) error {
			looks++
			return ill
		}}})
		defer r.close()
		ready := func() bool { return r.look(t.Context())[0].OK }
		for range 10 {
			if !ready() {
				t.Error("it is not ready")
			}
			pass(time.Second)
		}
		if looks != 1 {
			t.Errorf("%d looks in 10 s, want 1", looks)
		}
		ill = errors.New("full")
		if ready() {
			t.Error("it is ready, and full")
		}
		pass(time.Second)
		ill = nil
		if !ready() {
			t.Error("it is not ready a second after it was well again")
		}
	})
}
