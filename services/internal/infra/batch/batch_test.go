package batch_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errOdd = errors.New("an odd one among them")

// Every caller gets the result of its own item, calls respect their limits, and items that
// arrive while no call is full join the next one.
func TestEveryoneGetsTheirOwn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		most, calls := rapid.IntRange(1, 5).Draw(rt, "most"), rapid.IntRange(1, 3).Draw(rt, "calls")
		items := rapid.SliceOfN(rapid.IntRange(0, 50), 0, 60).Draw(rt, "items")
		spoilt := rapid.Bool().Draw(rt, "odd ones spoil the call")
		synctest.Test(t, func(*testing.T) {
			var mu sync.Mutex
			running := 0
			g := batch.New(batch.Config{Max: most, Calls: calls, Timeout: time.Minute}, func(_ context.Context, in []int) ([]int, error) {
				mu.Lock()
				if running++; running > calls || len(in) > most || len(in) == 0 {
					rt.Errorf("%d calls, one of %d items", running, len(in))
				}
				mu.Unlock()
				<-time.After(time.Second) // in the bubble
				mu.Lock()
				running--
				mu.Unlock()
				if spoilt && slices.ContainsFunc(in, func(i int) bool { return i%2 == 1 }) {
					return nil, errOdd
				}
				out := make([]int, len(in))
				for i := range in {
					out[i] = in[i] * 10
				}
				return out, nil
			})
			var all sync.WaitGroup
			for i, item := range items {
				all.Go(func() {
					<-time.After(time.Duration(i) * 50 * time.Millisecond)
					out, err := g.Do(t.Context(), item)
					switch {
					case spoilt && item%2 == 1:
						if !errors.Is(err, errOdd) {
							rt.Errorf("item %d: %v", item, err)
						}
					case err != nil || out != item*10:
						rt.Errorf("item %d became %d, %v", item, out, err)
					}
				})
			}
			all.Wait()
		})
	})
}

func TestTheMoreComeTheFewerCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		g := batch.New(batch.Config{Max: 100, Calls: 1, Timeout: time.Minute}, func(_ context.Context, in []int) ([]int, error) {
			calls++
			<-time.After(time.Second) // in the bubble
			return in, nil
		})
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				if _, err := g.Do(t.Context(), i); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if calls != 2 {
			t.Errorf("%d calls, want one for the first and one for all others", calls)
		}
	})
}

func TestACallIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := batch.New(batch.Config{Max: 2, Calls: 1, Timeout: time.Minute}, func(ctx context.Context, _ []int) ([]int, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		if _, err := g.Do(cancelled, 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestAPanicLeavesNobodyWaiting(t *testing.T) {
	g := batch.New(batch.Config{Max: 2, Calls: 1, Timeout: time.Minute}, func(context.Context, []int) ([]int, error) { panic("oh no") })
	for range 2 {
		func() {
			defer func() { _ = recover() }()
			_, _ = g.Do(t.Context(), 1)
			t.Error("it did not panic")
		}()
	}
}
