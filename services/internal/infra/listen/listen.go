// Package listen receives PostgreSQL's notifications, of any number of channels, on one
// connection of the pool.
//
// A notification can be lost: with the connection, or because somebody changed a row by
// hand. So listeners aren't given the notification's content; they are told to look at the
// rows. They are also told after each new connection, and once a minute. A ping without a
// statement checks whether the connection is alive.
package listen

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

const (
	// lookEvery is the interval of looks without a notification.
	lookEvery = time.Minute
	// pingEvery is the interval of pings. They cost the server almost nothing.
	pingEvery = time.Second
	// settle is how long further notifications are collected after a first one, so that a
	// hundred simultaneous changes cause one look.
	settle = 10 * time.Millisecond
	// timeout limits every call to the database.
	timeout = 10 * time.Second
	// steady is how long a connection must have worked for its loss to cause no wait before
	// the next one.
	steady = 5 * time.Second

	shortestRetry = 100 * time.Millisecond
	longestRetry  = 2 * time.Second
)

// Channel is a channel to listen on.
type Channel struct {
	// Name is the channel's name, as in NOTIFY.
	Name string
	// Look is called to look at what may have changed. Its error is logged, and it is soon
	// called again, on a new connection.
	Look func(ctx context.Context) error
	// Current is called, usually once a second, when all changes announced before at have
	// been looked at; nil for no calls.
	Current func(ctx context.Context, at time.Time)
}

// Listener calls the Look of each of its channels: after LISTEN has succeeded on a new
// connection, so that no change is missed; within milliseconds after notifications; and
// regularly without one. It makes one call at a time, and in the order of the channels if
// several are due.
type Listener struct {
	pool     *pgxpool.Pool
	outages  *outage.Log
	channels []Channel
}

// New returns a listener on the pool's database. It connects when it is run.
func New(pool *pgxpool.Pool, log *zap.Logger, channels ...Channel) *Listener {
	return &Listener{
		pool: pool, channels: channels,
		outages: outage.New(log, "the database is not listened to: what was last known holds", "the database is listened to again"),
	}
}

// Run listens until the context ends, and reconnects after each loss. It returns nil. It
// may be called once.
func (l *Listener) Run(ctx context.Context) error {
	retries := retrypolicy.NewBuilder[any]().
		WithMaxRetries(-1).
		WithBackoff(shortestRetry, longestRetry).
		WithJitterFactor(0.2).
		Build()
	for ctx.Err() == nil {
		// The error only says that the context ended.
		_ = failsafe.With(retries).WithContext(ctx).Run(func() error { return l.session(ctx) })
	}
	return nil
}

// session listens on one connection until it breaks or the context ends. It returns an
// error if the connection hadn't worked for a while.
func (l *Listener) session(ctx context.Context) error {
	began := time.Now()
	err := l.listen(ctx)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // an error at the end of the context isn't a fault
	}
	l.outages.Note(err)
	if time.Since(began) >= steady {
		return nil
	}
	return err
}

func (l *Listener) listen(ctx context.Context) error {
	session, err := l.connect(ctx)
	if err != nil {
		return err
	}
	defer session.Close(ctx)
	conn := session.Conn
	var heard map[string]bool
	looked := make([]time.Time, len(l.channels))
	for {
		for i, c := range l.channels {
			if heard[c.Name] || time.Since(looked[i]) >= lookEvery {
				looked[i] = time.Now()
				if err := c.Look(ctx); err != nil {
					return fmt.Errorf("look at what %s announced: %w", c.Name, err)
				}
			}
		}
		l.outages.Note(nil)
		if heard, err = wait(ctx, conn, untilPing()); err != nil {
			return err
		}
		if err := l.ping(ctx, conn, heard); err != nil {
			return err
		}
	}
}

// untilPing returns the time until the next whole second, so that the process wakes once
// for all tasks of a second: waking it costs more than they do.
func untilPing() time.Duration { return time.Until(time.Now().Truncate(pingEvery).Add(pingEvery)) }

// ping detects a connection that died silently. Notifications that it adds to heard were
// sent before the response.
func (l *Listener) ping(ctx context.Context, conn *pgx.Conn, heard map[string]bool) error {
	at := time.Now()
	pinging, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := conn.Ping(pinging); err != nil {
		return fmt.Errorf("the connection is dead: %w", err)
	}
	more, err := wait(ctx, conn, 0)
	if err != nil {
		return err
	}
	maps.Copy(heard, more)
	for _, c := range l.channels {
		if c.Current != nil && !heard[c.Name] {
			c.Current(ctx, at)
		}
	}
	return nil
}

// connect takes a connection out of the pool until it breaks. Otherwise the pool, or a
// pooler in between, would lend it to others.
func (l *Listener) connect(ctx context.Context) (*store.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	session, err := store.NewSession(ctx, l.pool, nil)
	if err != nil {
		return nil, err
	}
	for _, c := range l.channels {
		if _, err := session.Exec(ctx, "LISTEN "+pgx.Identifier{c.Name}.Sanitize()); err != nil {
			session.Close(ctx)
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	return session, nil
}

// wait returns the channels with a notification within a time.
func wait(ctx context.Context, conn *pgx.Conn, within time.Duration) (map[string]bool, error) {
	heard := map[string]bool{}
	first, err := next(ctx, conn, within)
	for last := time.Now().Add(settle); first != "" && err == nil; {
		heard[first] = true
		first, err = next(ctx, conn, time.Until(last))
	}
	return heard, err
}

// next returns the channel of the next notification; "" if none comes in time.
func next(ctx context.Context, conn *pgx.Conn, within time.Duration) (string, error) {
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	n, err := conn.WaitForNotification(waiting)
	switch {
	case err == nil:
		return n.Channel, nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("wait for a notification: %w", ctx.Err())
	case waiting.Err() == nil:
		return "", fmt.Errorf("wait for a notification: %w", err)
	}
	return "", nil
}
