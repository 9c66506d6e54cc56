package startup_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/startup"
)

var (
	errPasses = errors.New("connection reset")
	errStays  = errors.New("no such database")
)

func TestWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fails int // number of temporary failures before last
		last  error
		want  error
		after time.Duration
	}{
		"at once":          {0, nil, nil, 0},
		"after a hiccup":   {3, nil, nil, 750 * time.Millisecond},
		"a refusal":        {0, errStays, errStays, 0},
		"a late refusal":   {2, errStays, errStays, 500 * time.Millisecond},
		"longer than that": {1000, nil, errPasses, 5 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, n := time.Now(), 0
			err := startup.Wait(t.Context(), 5*time.Second, func(err error) bool { return errors.Is(err, errPasses) }, func(context.Context) error {
				if n++; n <= c.fails {
					return errPasses
				}
				return c.last
			})
			if !errors.Is(err, c.want) || time.Since(began) != c.after {
				t.Errorf("%s: %v after %v, want %v after %v", name, err, time.Since(began), c.want, c.after)
			}
		})
	}
}

// A lost response costs one try, not all of the patience.
func TestALostAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, n := time.Now(), 0
		err := startup.Wait(t.Context(), 30*time.Second, func(error) bool { return false }, func(ctx context.Context) error {
			if n++; n > 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if err != nil || time.Since(began) >= 15*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// A migration of a large table may take longer than a service waits for its database.
func TestALongStepIsNotCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		err := startup.Retry(t.Context(), 30*time.Second, func(error) bool { return true }, func(ctx context.Context) error {
			select {
			case <-time.After(time.Hour):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}
