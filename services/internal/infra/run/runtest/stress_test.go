package runtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

func part(do func(context.Context) error) func(testing.TB) run.Part {
	return func(testing.TB) run.Part { return run.Part{Name: "p", Run: do, Grace: 50 * time.Millisecond} }
}

func TestStressPassesAGoodPart(t *testing.T) {
	Stress(t, part(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
}

func TestOnceFindsFaults(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for want, do := range map[string]func(context.Context) error{
		"p ended with: broken":     func(context.Context) error { return errors.New("broken") },
		"p has not stopped":        func(context.Context) error { <-release; return nil },
		"p left goroutines behind": func(context.Context) error { go func() { <-release }(); return nil },
	} {
		err := once(t, part(do), func(cancel context.CancelFunc) { cancel() }, 1, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
