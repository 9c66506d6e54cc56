package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

func TestPassesAndAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err          error
		passes, away bool
	}{
		"none":           {nil, false, false},
		"starts":         {&pgconn.PgError{Code: "57P03"}, true, true},
		"is stopped":     {fmt.Errorf("claim: %w", &pgconn.PgError{Code: "57P01"}), true, true},
		"is not reached": {&pgconn.ConnectError{}, true, true},
		"no table":       {&pgconn.PgError{Code: "42P01"}, false, false},
		"late":           {context.DeadlineExceeded, true, false},
		"ended":          {context.Canceled, false, false},
		"another":        {errors.New("the bus is full"), false, false},
	} {
		if passes, away := store.Passes(c.err), store.Away(c.err); passes != c.passes || away != c.away {
			t.Errorf("%s: passes %v, away %v; want %v, %v", name, passes, away, c.passes, c.away)
		}
	}
}
