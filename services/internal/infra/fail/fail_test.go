package fail

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
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
		{"unavailable", AsUnavailable(base), Unavailable},
		{"no database", noDatabase(t), Unavailable},
		{"throttled", fmt.Errorf("ask: %w", limited{base}), Throttled},
	} {
		if got := ClassOf(c.err); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestMarksKeepTheError(t *testing.T) {
	base := errors.New("base")
	if err := AsUnavailable(base); !errors.Is(err, base) || err.Error() != "base" {
		t.Errorf("got %v", err)
	}
	if AsPermanent(nil) != nil {
		t.Error("marking nil made an error")
	}
}

// limited is an error of another package with its own class.
type limited struct{ error }

func (limited) Failure() Class { return Throttled }

// noDatabase returns the error of a pool without a server.
func noDatabase(t *testing.T) error {
	t.Helper()
	_, err := pgconn.Connect(t.Context(), "postgres://127.0.0.1:1/none?connect_timeout=5")
	if err == nil {
		t.Fatal("there is a server on port 1")
	}
	return fmt.Errorf("look at a delivery: %w", err)
}
