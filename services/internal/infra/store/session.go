package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// closeTimeout is how long a connection may take to say goodbye.
const closeTimeout = time.Second

// KeepAlive are parameters of a session by which the server finds out that a host died
// with its connections: it asks after two seconds, each second, three times.
func KeepAlive() map[string]string {
	return map[string]string{"tcp_keepalives_idle": "2", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "3"}
}

// Session is a connection whose state in the server is used: notifications that are
// listened to, advisory locks that are held. It is one of the pool's, so that the
// bound of that bounds all connections of a service.
type Session struct {
	*pgx.Conn

	pooled *pgxpool.Conn
}

// NewSession takes a connection out of the pool, waits for one where all are in use,
// and sets further parameters of its session. Whoever gets one closes it, before the
// pool.
func NewSession(ctx context.Context, pool *pgxpool.Pool, parameters map[string]string) (*Session, error) {
	pooled, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s := &Session{Conn: pooled.Conn(), pooled: pooled}
	if len(parameters) == 0 {
		return s, nil
	}
	if err := set(ctx, s.PgConn(), parameters); err != nil {
		s.Close(ctx)
		return nil, err
	}
	return s, nil
}

// Close ends the connection, and with it all state of its session: the pool opens
// another one when it needs it.
func (s *Session) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = s.Conn.Close(ctx) // the server notices in any case
	s.pooled.Release()
}
