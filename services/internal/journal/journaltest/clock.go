package journaltest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/clock"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Now returns the clock of a service whose process is ahead of the database by a duration.
func Now(t testing.TB, pool *pgxpool.Pool, ahead time.Duration) func() time.Time {
	t.Helper()
	c := clock.Follow(func() time.Time { return time.Now().Add(ahead) }, func(ctx context.Context) (time.Time, error) { return store.Time(ctx, pool) })
	if err := c.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c.Now
}

// Skews returns, by chat name, differences between a process' clock and the database's.
// They are longer than the turns of these tests live.
func Skews() map[string]time.Duration {
	return map[string]time.Duration{"minutes-ahead": 3 * time.Minute, "minutes-behind": -3 * time.Minute}
}
