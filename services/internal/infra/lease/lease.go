// Package lease shows which processes are alive. Each process holds a PostgreSQL advisory
// lock on its own session. The server releases the lock when the process dies, and every
// other process sees in pg_locks whether it is held.
package lease

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Kind names the service that a process runs.
type Kind int32

// The kinds of processes.
const (
	All Kind = iota // all services, as in chorus up
	Planner
	Generator
	Sender
	Listener
	Console
)

// String returns the name of the service.
func (k Kind) String() string {
	names := [...]string{"up", "planner", "generator", "sender", "listener", "console"}
	if k < All || int(k) >= len(names) {
		return fmt.Sprintf("kind %d", int32(k))
	}
	return names[k]
}

// space is the first key of the locks of kind 0. It separates them from other locks.
const space = 7230500

const (
	lock = `SELECT pg_advisory_lock($1, $2)`

	// Alive is a query for the owners that are alive, as the column owner.
	Alive = `
SELECT objid::bigint::integer AS owner FROM pg_locks
WHERE locktype = 'advisory' AND classid BETWEEN 7230500 AND 7230510 AND objsubid = 2 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

	// Settled is false just after the server's start: its clients need a moment to connect
	// again, and seem dead until then.
	Settled = `pg_postmaster_start_time() < now() - interval '5 seconds'`

	countAlive = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	countKinds = `
SELECT (classid::bigint - 7230500)::integer, count(*) FROM pg_locks
WHERE locktype = 'advisory' AND classid BETWEEN 7230500 AND 7230510 AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY 1`
)

// Living counts the processes of each kind that are alive.
func Living(ctx context.Context, db store.Querier) (map[Kind]int, error) {
	living := map[Kind]int{}
	var kind Kind
	var n int
	err := store.Each(ctx, db, "count the processes that live", []any{&kind, &n}, func() error {
		living[kind] = n
		return nil
	}, countKinds)
	return living, err
}

const (
	// retryEvery is the wait before a new connection.
	retryEvery = 250 * time.Millisecond
	// The server releases the lock of a disconnected process after five seconds
	// (store.KeepAlive). The process notices earlier: it pings at this interval, with this
	// time-out.
	pingEvery   = 2 * time.Second
	pingTimeout = 2 * time.Second
)

// Lease shows other processes that this one is alive. Its methods are safe for concurrent
// use.
type Lease struct {
	pool  *pgxpool.Pool
	kind  Kind
	owner int32
	held  atomic.Bool
	lost  *outage.Log

	counting sync.WaitGroup
	mu       sync.Mutex
	turned   chan struct{} // closed when held changes
	alive    int
	counted  time.Time // beginning of the last count
}

// New returns a lease that is not held yet.
func New(pool *pgxpool.Pool, kind Kind, log *zap.Logger) *Lease {
	return &Lease{
		pool: pool, kind: kind, owner: 1 + rand.Int32N(1<<31-1), turned: make(chan struct{}),
		lost: outage.New(log, "other processes can't see that this one lives: it claims nothing", "other processes see again that this one lives").Except(store.Away),
	}
}

// Owner identifies this process in claims. It is above 0 and constant for the lifetime of
// the lease, even after an outage of the database.
func (l *Lease) Owner() int32 { return l.owner }

// Held reports whether the lock is held, so that others see that this process is alive.
func (l *Lease) Held() bool { return l.held.Load() }

func (l *Lease) set(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held.Swap(held) != held {
		close(l.turned)
		l.turned = make(chan struct{})
	}
}

func (l *Lease) state() (held bool, turned <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held.Load(), l.turned
}

// While runs work while the lease is held, until the context ends. The context of work also
// ends when the lease is lost. When work returns, While runs it again.
func (l *Lease) While(ctx context.Context, work func(context.Context)) {
	for ctx.Err() == nil {
		held, turned := l.state()
		if !held {
			select {
			case <-turned:
			case <-ctx.Done():
			}
			continue
		}
		working, stop := context.WithCancel(ctx)
		var watching sync.WaitGroup
		watching.Go(func() {
			select {
			case <-turned:
				stop()
			case <-working.Done():
			}
		})
		work(working)
		stop()
		watching.Wait()
	}
}

// Count counts the living processes of this kind, including this one; at least 1.
func (l *Lease) Count(ctx context.Context) (int, error) {
	var n int
	if err := l.pool.QueryRow(ctx, countAlive, space+int32(l.kind)).Scan(&n); err != nil {
		return 1, fmt.Errorf("count the processes that live: %w", err)
	}
	return max(n, 1), nil
}

const (
	countEvery   = 10 * time.Second
	countTimeout = 5 * time.Second
)

// Replicas returns the number of living processes of this kind, as last counted; at least
// 1. It doesn't block: the number is some seconds old, and is only counted when Replicas is
// called.
func (l *Lease) Replicas() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held.Load() && time.Since(l.counted) >= countEvery {
		l.counted = time.Now()
		l.counting.Go(l.recount)
	}
	return max(l.alive, 1)
}

func (l *Lease) recount() {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	n, err := l.Count(ctx)
	if err != nil {
		return // the next call counts again
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alive = n
}

// Run holds the lease until the context ends, with one connection of the pool. It
// reconnects after a loss.
func (l *Lease) Run(ctx context.Context) error {
	defer l.counting.Wait()
	for ctx.Err() == nil {
		err := l.hold(ctx)
		l.set(false)
		if ctx.Err() != nil {
			return nil
		}
		l.lost.Note(err)
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
		}
	}
	return nil
}

// hold takes the lock and keeps it until the connection or the context ends.
func (l *Lease) hold(ctx context.Context) error {
	session, err := store.NewSession(ctx, l.pool, store.KeepAlive())
	if err != nil {
		return err
	}
	defer session.Close(ctx)
	if _, err := session.Exec(ctx, lock, space+int32(l.kind), l.owner); err != nil {
		return fmt.Errorf("take the lease: %w", err)
	}
	l.set(true)
	l.lost.Note(nil)
	for {
		if err := wait(ctx, session); err != nil {
			return fmt.Errorf("keep the lease: %w", err)
		}
		pinging, cancel := context.WithTimeout(ctx, pingTimeout)
		err := session.Ping(pinging)
		cancel()
		if err != nil {
			return fmt.Errorf("keep the lease: %w", err)
		}
	}
}

// wait waits until the next multiple of pingEvery, so that the process wakes once for all
// tasks of a second. It returns an error when the connection or the context ends. This
// session gets no notifications.
func wait(ctx context.Context, session *store.Session) error {
	waiting, cancel := context.WithDeadline(ctx, time.Now().Truncate(pingEvery).Add(pingEvery))
	defer cancel()
	_, err := session.WaitForNotification(waiting)
	if waiting.Err() != nil && ctx.Err() == nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	return nil
}
