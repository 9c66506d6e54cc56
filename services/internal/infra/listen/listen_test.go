package listen_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// patience limits every wait of a test. Only a broken listener takes so long.
const patience = 30 * time.Second

func open(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// run listens until the end of the test or a call of stop.
func run(t *testing.T, pool *pgxpool.Pool, channels ...listen.Channel) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := listen.New(pool, testenv.Logger(t), channels...).Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// looks returns a channel whose looks are recorded in a queue.
func looks(name string) (listen.Channel, chan time.Time) {
	seen := make(chan time.Time, 1000)
	return listen.Channel{Name: name, Look: func(context.Context) error {
		seen <- time.Now()
		return nil
	}}, seen
}

func notify(t *testing.T, pool *pgxpool.Pool, channel string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), `SELECT pg_notify($1, '')`, channel); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, seen <-chan time.Time) time.Time {
	t.Helper()
	select {
	case at := <-seen:
		return at
	case <-time.After(patience):
		t.Fatal("nobody looked")
		panic("unreachable")
	}
}

func TestOnlyWhoWasCalledLooks(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.EmptyPostgres(t))
	red, sawRed := looks("red")
	blue, sawBlue := looks("Blue \"sky\"")
	run(t, pool, red, blue)
	await(t, sawRed)
	await(t, sawBlue)
	for range 3 {
		began := time.Now()
		notify(t, pool, blue.Name)
		if took := await(t, sawBlue).Sub(began); took > time.Second {
			t.Errorf("a notification was heard after %v", took)
		}
	}
	if n := len(sawRed); n > 0 {
		t.Errorf("red looked %d times at what blue announced", n)
	}
	notify(t, pool, red.Name)
	await(t, sawRed)
}

func TestManyNotificationsMakeFewLooks(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.EmptyPostgres(t))
	c, seen := looks("storm")
	run(t, pool, c)
	await(t, seen)
	// The payloads differ, because PostgreSQL drops duplicates.
	if _, err := pool.Exec(t.Context(), `SELECT pg_notify('storm', i::text) FROM generate_series(1, 1000) i`); err != nil {
		t.Fatal(err)
	}
	await(t, seen)
	notify(t, pool, "storm")
	await(t, seen)
	if n := len(seen); n > 50 {
		t.Errorf("1000 notifications at once made %d more looks", n)
	}
}

func TestAFailedLookIsRepeated(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.EmptyPostgres(t))
	seen := make(chan time.Time)
	failures := 2
	run(t, pool, listen.Channel{Name: "shaky", Look: func(ctx context.Context) error {
		if failures > 0 {
			failures--
			return errors.New("not today")
		}
		select {
		case seen <- time.Now():
		case <-ctx.Done():
		}
		return nil
	}})
	await(t, seen)
}

func TestEverybodyLooksAfterALostConnection(t *testing.T) {
	t.Parallel()
	dsn := testenv.EmptyPostgres(t)
	link := testenv.Proxy(t, dsn)
	red, sawRed := looks("red")
	blue, sawBlue := looks("blue")
	run(t, open(t, link.URL()), red, blue)
	for range 3 {
		await(t, sawRed)
		await(t, sawBlue)
		link.Cut()
		notify(t, open(t, dsn), "red")
		link.Restore()
	}
	await(t, sawRed)
	await(t, sawBlue)
}

func TestItStopsWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	link := testenv.Proxy(t, testenv.EmptyPostgres(t))
	c, seen := looks("away")
	stop := run(t, open(t, link.URL()), c)
	await(t, seen)
	link.Freeze()
	began := time.Now()
	stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	link.Restore()
}

// Announced changes are looked at before Current is called.
func TestNothingIsCurrentBeforeItWasLookedAt(t *testing.T) {
	t.Parallel()
	pool := open(t, testenv.EmptyPostgres(t))
	type event struct {
		look bool
		at   time.Time
	}
	events := make(chan event, 1000)
	run(t, pool, listen.Channel{
		Name: "news", Look: func(context.Context) error {
			events <- event{true, time.Now()}
			return nil
		},
		Current: func(_ context.Context, at time.Time) { events <- event{false, at} },
	})
	for range 3 {
		began := time.Now()
		notify(t, pool, "news")
		committed := time.Now()
		looked := false
		for e := (event{}); e.look || !e.at.After(committed); {
			select {
			case e = <-events:
				looked = looked || e.look && e.at.After(began)
			case <-time.After(patience):
				t.Fatal("nothing is current")
			}
		}
		if !looked {
			t.Error("all was current before it was looked at")
		}
	}
}
