// Package lease tells which processes live. Each holds a PostgreSQL advisory lock
// on a session of its own: the server releases it when the process dies, and any
// other process sees in pg_locks whether it is held.
package lease

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// space is the first key of the locks. It keeps them apart from all others.
const space = 7230519

const (
	lock = `SELECT pg_advisory_lock($1, $2)`

	// Alive is a query of the owners that live, as the column owner. All of them count
	// as alive for a while after the server started: they need a moment to connect again.
	Alive = `
SELECT objid::bigint::integer AS owner FROM pg_locks WHERE locktype = 'advisory' AND classid = 7230519 AND objsubid = 2 AND granted`

	// Settled is a condition that is false while the server has just started.
	Settled = `pg_postmaster_start_time() < now() - interval '5 seconds'`
)

// retryEvery is how long a process waits before it connects again.
const retryEvery = 250 * time.Millisecond

// Lease is the proof that this process lives. Its methods are safe for concurrent use.
type Lease struct {
	pool  *pgxpool.Pool
	owner int32
	held  atomic.Bool
	lost  *outage.Log
}

// New makes a lease that is not held yet.
func New(pool *pgxpool.Pool, log *zap.Logger) *Lease {
	return &Lease{
		pool: pool, owner: 1 + rand.Int32N(1<<31-1),
		lost: outage.New(log, "other processes can't see that this one lives: it claims nothing", "other processes see again that this one lives").Except(store.Away),
	}
}

// Owner identifies this process in claims. It is above 0 and stays the same for the
// lifetime of the lease, also after the database was away.
func (l *Lease) Owner() int32 { return l.owner }

// Held tells whether others see that this process lives.
func (l *Lease) Held() bool { return l.held.Load() }

// Run holds the lease until the context ends, with one connection of the pool. It
// connects again when that is lost.
func (l *Lease) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := l.hold(ctx)
		l.held.Store(false)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was asked to end
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
	session, err := store.NewSession(ctx, l.pool, nil)
	if err != nil {
		return err
	}
	defer session.Close(ctx)
	if _, err := session.Exec(ctx, lock, space, l.owner); err != nil {
		return fmt.Errorf("take the lease: %w", err)
	}
	l.held.Store(true)
	l.lost.Note(nil)
	// Nobody notifies this session: it waits for the end of the connection.
	if _, err := session.WaitForNotification(ctx); err != nil {
		return fmt.Errorf("keep the lease: %w", err)
	}
	return nil
}
