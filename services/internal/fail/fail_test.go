package fail

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestClassOf(t *testing.T) {
	base := errors.New("base")
	for _, c := range []struct {
		name string
		err  error
		want Class
	}{
		{"unmarked", base, Transient},
		{"permanent", AsPermanent(base), Permanent},
		{"wrapped", fmt.Errorf("while sending: %w", AsPermanent(base)), Permanent},
		{"outermost wins", AsTransient(fmt.Errorf("again: %w", AsPermanent(base))), Transient},
		{"cancelled", fmt.Errorf("wait: %w", context.Canceled), Shutdown},
		{"deadline", context.DeadlineExceeded, Transient},
		{"throttled", AsThrottled(time.Second, base), Throttled},
	} {
		if got := ClassOf(c.err); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestMarksKeepTheError(t *testing.T) {
	base := errors.New("base")
	err := AsThrottled(3*time.Second, base)
	if !errors.Is(err, base) || err.Error() != "base" || Delay(err) != 3*time.Second {
		t.Errorf("got %v with delay %v", err, Delay(err))
	}
	if AsPermanent(nil) != nil || AsThrottled(time.Second, nil) != nil {
		t.Error("marking nil made an error")
	}
	if Delay(AsPermanent(base)) != 0 {
		t.Error("a permanent error has a delay")
	}
}
