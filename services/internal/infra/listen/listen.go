// Package listen follows what PostgreSQL announces with NOTIFY, on one
// connection of the pool, whatever the number of channels.
//
// A notification can be lost: with the connection, or because somebody changed
// a row by hand. So nobody is told what a notification said, only to look; and
// everybody is told so after each new connection, and once a minute in between.
// That a connection lives is asked without a statement.
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
	// lookEvery is how often all is looked at without a notification.
	lookEvery = time.Minute
	// pingEvery is how often the connection is asked for a sign of life. It costs the
	// server next to nothing.
	pingEvery = time.Second
	// settle is how long further notifications are collected after a first one,
	// so that a hundred changes at once make one look.
	settle = 10 * time.Millisecond
	// timeout bounds every call to the database.
	timeout = 10 * time.Second
	// steady is how long a connection must have worked for its end to be no
	// reason to wait before the next one.
	steady = 5 * time.Second

	shortestRetry = 100 * time.Millisecond
	longestRetry  = 2 * time.Second
)

// Channel is one to listen on.
type Channel struct {
	// Name is the channel's, as NOTIFY gives it.
	Name string
	// Look is called to look at what may have changed. Its error is logged, and
	// it is called again soon, on a new connection.
	Look func(ctx context.Context) error
	// Current is called when everything that was announced until an instant has been looked
	// at, once a second as a rule; nil for not at all.
	Current func(ctx context.Context, at time.Time)
}

// Listener calls the Look of each of its channels: after the connection stands
// and LISTEN holds, so that nothing falls in between; after notifications,
// within milliseconds; and now and then without one. It calls one at a time, and
// of those that are due at once the first channel's first.
type Listener struct {
	pool     *pgxpool.Pool
	outages  *outage.Log
	channels []Channel
}

// New makes a listener on the pool's database. It opens nothing until it is run.
func New(pool *pgxpool.Pool, log *zap.Logger, channels ...Channel) *Listener {
	return &Listener{
		pool: pool, channels: channels,
		outages: outage.New(log, "the database is not listened to: what was last known holds", "the database is listened to again"),
	}
}

// Run listens until the context ends, over any number of lost connections. It
// returns nil. Run it once.
func (l *Listener) Run(ctx context.Context) error {
	retries := retrypolicy.NewBuilder[any]().
		WithMaxRetries(-1).
		WithBackoff(shortestRetry, longestRetry).
		WithJitterFactor(0.2).
		Build()
	for ctx.Err() == nil {
		// Its error says only that the context ended.
		_ = failsafe.With(retries).WithContext(ctx).Run(func() error { return l.session(ctx) })
	}
	return nil
}

// session listens on one connection until it breaks or the context ends. That
// is an error if the connection had not worked for a while.
func (l *Listener) session(ctx context.Context) error {
	began := time.Now()
	err := l.listen(ctx)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // what the end of the context broke is no fault
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

// untilPing has everything that is done once a second or so in a process done at a time:
// to wake a process costs more than that does.
func untilPing() time.Duration { return time.Until(time.Now().Truncate(pingEvery).Add(pingEvery)) }

// ping finds a connection that is dead without having said so. What it adds to the
// channels that were heard was announced before the answer.
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

// connect takes a connection out of the pool until it breaks: a pooler between, or
// the pool itself, would give one that is not held to others.
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

// wait returns the channels on which there was a notification in time.
func wait(ctx context.Context, conn *pgx.Conn, within time.Duration) (map[string]bool, error) {
	heard := map[string]bool{}
	first, err := next(ctx, conn, within)
	for last := time.Now().Add(settle); first != "" && err == nil; {
		heard[first] = true
		first, err = next(ctx, conn, time.Until(last))
	}
	return heard, err
}

// next is the channel of the next notification; "" if none comes in time.
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
