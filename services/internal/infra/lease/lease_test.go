package lease_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func open(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	cfg := store.DefaultConfig()
	cfg.URL = url
	pool, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func alive(t *testing.T, pool *pgxpool.Pool) []int32 {
	t.Helper()
	rows, err := pool.Query(t.Context(), lease.Alive)
	if err != nil {
		t.Fatal(err)
	}
	owners, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		t.Fatal(err)
	}
	return owners
}

func start(t *testing.T, pool *pgxpool.Pool, kind lease.Kind) (l *lease.Lease, stop func()) {
	t.Helper()
	l = lease.New(pool, kind, testenv.Logger(t))
	stop = testenv.Background(t, l.Run)
	testenv.Eventually(t, "it is held", func() (string, bool) { return "", l.Held() })
	return l, stop
}

func TestOthersSeeWhoLives(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.Postgres(t))
	one, stop := start(t, pool, lease.Sender)
	other, _ := start(t, pool, lease.Sender)
	start(t, pool, lease.Generator)
	if n, err := one.Count(t.Context()); n != 2 || err != nil {
		t.Errorf("%d senders live, %v", n, err)
	}
	if got := alive(t, pool); len(got) != 3 || !slices.Contains(got, one.Owner()) || !slices.Contains(got, other.Owner()) {
		t.Errorf("%v live, among them %d and %d", got, one.Owner(), other.Owner())
	}
	stop()
	if one.Held() {
		t.Error("it is held after its end")
	}
	testenv.Eventually(t, "one is gone", func() (string, bool) { return "", !slices.Contains(alive(t, pool), one.Owner()) })
	if n, err := other.Count(t.Context()); n != 1 || err != nil {
		t.Errorf("%d senders live, %v", n, err)
	}
}

// Processes of another installation on the same server don't count.
func TestOtherDatabasesDontCount(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.Postgres(t))
	l, _ := start(t, pool, lease.Sender)
	start(t, open(t, testenv.Postgres(t)), lease.Sender)
	if got := alive(t, pool); len(got) != 1 || got[0] != l.Owner() {
		t.Errorf("%v live, want %d", got, l.Owner())
	}
}

// A lost connection is replaced, under the same owner.
func TestALostLeaseIsTakenAgain(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.Postgres(t))
	l, _ := start(t, pool, lease.Sender)
	_, err := pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid::bigint::integer = $1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, l.Owner())
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "it is lost", func() (string, bool) { return "", !l.Held() || slices.Contains(alive(t, pool), l.Owner()) })
	testenv.Eventually(t, "it is held again", func() (string, bool) {
		return "", l.Held() && slices.Contains(alive(t, pool), l.Owner())
	})
}

// Work ends when the lease is lost, and begins again when it is held again.
func TestWorkEndsWithTheLease(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*testenv.Link){"cut": (*testenv.Link).Cut, "frozen": (*testenv.Link).Freeze} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := testenv.Postgres(t)
			link := testenv.Proxy(t, dsn)
			l, _ := start(t, open(t, link.URL()), lease.Listener)
			begun, ended := make(chan bool), make(chan bool)
			testenv.Background(t, func(ctx context.Context) error {
				l.While(ctx, func(working context.Context) {
					begun <- l.Held()
					<-working.Done()
					select {
					case ended <- l.Held():
					case <-ctx.Done():
					}
				})
				return nil
			})
			<-begun
			fault(link)
			if held := <-ended; held {
				t.Error("the work ended while the lease was held")
			}
			link.Restore()
			<-begun
		})
	}
}
