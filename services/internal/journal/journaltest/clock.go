package journaltest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/clock"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Now is the time that a service tells that runs on a database while its process' clock
// is ahead of the database's.
func Now(t testing.TB, pool *pgxpool.Pool, ahead time.Duration) func() time.Time {
	t.Helper()
	c := clock.Follow(func() time.Time { return time.Now().Add(ahead) }, func(ctx context.Context) (time.Time, error) { return store.Time(ctx, pool) })
	if err := c.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c.Now
}

// Skews are, by names of chats, by how much the clocks of processes are ahead of the database's in tests:
// by more than a turn of these tests is good for.
func Skews() map[string]time.Duration {
	return map[string]time.Duration{"minutes-ahead": 3 * time.Minute, "minutes-behind": -3 * time.Minute}
}
