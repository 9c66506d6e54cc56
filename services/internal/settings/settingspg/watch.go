package settingspg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/settings"
)

const (
	// pollEvery is how often all is read without a notification: it finds what
	// was written by hand, and a connection that is dead without having said so.
	pollEvery = 10 * time.Second
	// steady is how long a connection must have worked for its end to be no
	// reason to wait before the next one.
	steady = 5 * time.Second

	shortestRetry = 100 * time.Millisecond
	longestRetry  = 2 * time.Second
)

// Watch follows the settings in the database. A change is seen as soon as the
// database tells of it, in milliseconds; while the database is away, what was
// seen last holds. It is safe for concurrent use.
type Watch struct {
	pool    *pgxpool.Pool
	log     *zap.Logger
	current atomic.Pointer[snapshot]
}

// snapshot is a state of the settings.
type snapshot struct {
	stored  []settings.Stored
	values  *settings.Values
	changed chan struct{} // closed when there is a newer one
}

// Open reads the settings once; Run keeps them current. So nobody acts on
// defaults where something else is set.
func Open(ctx context.Context, pool *pgxpool.Pool, log *zap.Logger) (*Watch, error) {
	w := &Watch{pool: pool, log: log}
	stored, err := Load(ctx, pool)
	if err != nil {
		return nil, err
	}
	w.take(stored)
	return w, nil
}

// Current are the settings as they are now. It costs one atomic load.
func (w *Watch) Current() *settings.Values { return w.current.Load().values }

// Changed is closed when Current, as it was at the time of this call, is no
// longer current. To miss nothing, call Changed before Current.
func (w *Watch) Changed() <-chan struct{} { return w.current.Load().changed }

// Run follows changes until the context ends, over any number of lost
// connections. It returns nil. Run it once.
func (w *Watch) Run(ctx context.Context) error {
	patient := retrypolicy.NewBuilder[any]().
		WithMaxRetries(-1).
		WithBackoff(shortestRetry, longestRetry).
		WithJitterFactor(0.2).
		Build()
	for ctx.Err() == nil {
		// Its error says only that the context ended.
		_ = failsafe.With(patient).WithContext(ctx).Run(func() error { return w.session(ctx) })
	}
	return nil
}

// session follows changes on one connection until it breaks or the context
// ends. That is an error if the connection had not worked for a while.
func (w *Watch) session(ctx context.Context) error {
	began := time.Now()
	err := w.listen(ctx)
	if ctx.Err() != nil {
		return nil
	}
	w.log.Warn("settings are not watched for a moment, what was last known holds", zap.Error(err))
	if time.Since(began) >= steady {
		return nil
	}
	return err
}

func (w *Watch) listen(ctx context.Context) error {
	conn, err := w.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	for {
		// The first read comes after LISTEN: nothing falls in between.
		stored, err := Load(ctx, conn)
		if err != nil {
			return err
		}
		w.take(stored)
		if err := wait(ctx, conn); err != nil {
			return err
		}
	}
}

// connect opens a connection of its own: a pool would have to give one away for
// good, and a pooler between could give it to others.
func (w *Watch) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, w.pool.Config().ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), conn.Close(ctx))
	}
	return conn, nil
}

// wait returns when there is a notification, or it is time to look anyway.
func wait(ctx context.Context, conn *pgx.Conn) error {
	waiting, cancel := context.WithTimeout(ctx, pollEvery)
	defer cancel()
	_, err := conn.WaitForNotification(waiting)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("wait for a change: %w", ctx.Err())
	case err != nil && waiting.Err() == nil:
		return fmt.Errorf("wait for a change: %w", err)
	}
	return nil
}

// take makes what was read current, if it is something new.
func (w *Watch) take(stored []settings.Stored) {
	old := w.current.Load()
	if old != nil && slices.EqualFunc(old.stored, stored, same) {
		return
	}
	values, problems := settings.NewValues(stored)
	for _, problem := range problems {
		w.log.Warn("settings", zap.Error(problem))
	}
	w.current.Store(&snapshot{stored: stored, values: values, changed: make(chan struct{})})
	if old != nil {
		close(old.changed)
		w.log.Info("settings changed")
	}
}

func same(a, b settings.Stored) bool {
	return a.Key == b.Key && a.Scope == b.Scope && a.ScopeID == b.ScopeID && bytes.Equal(a.Value, b.Value)
}
