package run_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/run/runtest"
)

// diary records events in order.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) note(entry string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, entry)
}

// part returns a part that takes a while to stop, and records that.
func (d *diary) part(name string) run.Part {
	return run.Part{Name: name, Run: func(ctx context.Context) error {
		<-ctx.Done()
		<-time.After(time.Second)
		d.note(name)
		return ctx.Err()
	}}
}

func failing(name string, err error) run.Part {
	return run.Part{Name: name, Run: func(context.Context) error { return err }}
}

func waiting(name string) run.Part {
	return run.Part{Name: name, Run: func(ctx context.Context) error { <-ctx.Done(); return nil }}
}

func TestPartsStopInReverseOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var g run.Group
		for _, name := range []string{"database", "bus", "sender"} {
			g.Add(d.part(name))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"sender", "bus", "database"}, d.entries); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPartsAddedTogetherStopTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var g run.Group
		g.Add(d.part("bus"))
		g.Add(d.part("planner"), d.part("generator"), d.part("sender"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 2*time.Second || d.entries[3] != "bus" {
			t.Errorf("it took %v in the order %v", took, d.entries)
		}
	})
}

func TestFirstEndStopsAll(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		part run.Part
		want string
	}{
		"error":     {failing("sender", broken), "sender: broken"},
		"no error":  {failing("sender", nil), "sender: ended without having been asked to"},
		"cancelled": {failing("sender", context.Canceled), "sender: context canceled"},
		"goexit":    {run.Part{Name: "sender", Run: func(context.Context) error { runtime.Goexit(); return nil }}, "sender: ended without returning"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var g run.Group
			g.Add(waiting("database"))
			g.Add(c.part)
			g.Add(waiting("console"))
			err := g.Run(t.Context())
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if name == "error" && !errors.Is(err, broken) {
				t.Error("the cause is not wrapped")
			}
		})
	}
}

func TestErrorsWhileStoppingAreJoined(t *testing.T) {
	t.Parallel()
	var g run.Group
	g.Add(run.Part{Name: "bus", Run: func(ctx context.Context) error { <-ctx.Done(); return errors.New("not flushed") }})
	g.Add(failing("sender", errors.New("broken")))
	if err := g.Run(t.Context()); err == nil || err.Error() != "sender: broken\nbus: not flushed" {
		t.Errorf("got %v", err)
	}
}

func TestPanicIsAnErrorWithItsPlace(t *testing.T) {
	t.Parallel()
	core, logged := observer.New(zap.DebugLevel)
	g := run.Group{Log: zap.New(core)}
	g.Add(waiting("database"))
	g.Add(run.Part{Name: "planner", Run: func(context.Context) error {
		var chats []int
		return failing("", errors.New(string(rune(chats[3])))).Run(nil)
	}})
	err := g.Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "planner: fault in the program at run/run_test.go:") ||
		!strings.HasSuffix(err.Error(), "index out of range [3] with length 0") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	entries := logged.FilterMessage("panic").All()
	if len(entries) != 1 || entries[0].ContextMap()["part"] != "planner" || !strings.Contains(fmt.Sprint(entries[0].ContextMap()["panic_stack"]), "run_test.go") {
		t.Errorf("the log has %v", entries)
	}
}

func TestPartThatDoesNotStopIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		var d diary
		var g run.Group
		g.Add(d.part("database"))
		g.Add(run.Part{Name: "stuck", Grace: 5 * time.Second, Run: func(context.Context) error { <-release; return nil }})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		err := g.Run(ctx)
		if err == nil || err.Error() != "stuck: did not stop within 5s" {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 6*time.Second || len(d.entries) != 1 {
			t.Errorf("it took %v, and the others noted %v", took, d.entries)
		}
	})
}

func TestEveryPartRunsEvenIfItIsTooLate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var d diary
		var g run.Group
		var want []string
		for range rapid.IntRange(0, 5).Draw(t, "parts") {
			name := rapid.StringN(1, 5, 5).Draw(t, "name")
			want = append([]string{name}, want...)
			g.Add(run.Part{Name: name, Run: func(ctx context.Context) error { <-ctx.Done(); d.note(name); return nil }})
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := g.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, d.entries); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestGroupStress(t *testing.T) {
	runtest.Stress(t, func(testing.TB) run.Part {
		var g run.Group
		g.Add(waiting("a"), waiting("b"))
		g.Add(waiting("c"))
		return run.Part{Name: "group", Run: g.Run}
	})
}
