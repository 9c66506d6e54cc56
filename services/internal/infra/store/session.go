package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// closeTimeout limits the closing of a connection.
const closeTimeout = time.Second

// KeepAlive returns session parameters that make the server detect a dead client host: it
// probes after two seconds, then each second, three times.
func KeepAlive() map[string]string {
	return map[string]string{"tcp_keepalives_idle": "2", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "3"}
}

// Session is a connection with state in the server: channels listened to, or advisory
// locks. It is one of the pool's, so the pool's limit bounds all connections of a service.
type Session struct {
	*pgx.Conn

	pooled *pgxpool.Conn
}

// NewSession takes a connection out of the pool, waits for one if all are in use, and sets
// additional session parameters. The caller must close the session, before the pool.
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

// Close closes the connection, which ends all state of its session. The pool opens another
// one when needed.
func (s *Session) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = s.Conn.Close(ctx) // the server notices in any case
	s.pooled.Release()
}

// options is the one startup parameter that can't be set later: it is a command line.
const options = "options"

// parameters returns the parameters of each session.
func (c Config) parameters() map[string]string {
	all := map[string]string{
		"application_name":  cmp.Or(c.Name, "chorus"),
		"statement_timeout": strconv.FormatInt(c.StatementTimeout.Milliseconds(), 10),
		// A transaction of a dead client must not hold its locks for ever.
		"idle_in_transaction_session_timeout": "30000",
		// All statements are short. But one over the many partitions of the messages looks
		// expensive to the planner, and would be compiled each time, for a tenth of a
		// second.
		"jit": "off",
		// Statements select rows by keys. PostgreSQL plans a prepared statement while a
		// table is small, when a sequential scan looks cheapest, and would keep that plan
		// while the table grows: until the next ANALYZE, minutes later, its cost grows with
		// the table.
		"enable_seqscan": "off",
		// With the scans above disabled, the arguments don't change the best plan, so one
		// plan per connection suffices. Otherwise PostgreSQL plans most statements at each
		// execution, because it can then estimate row counts better: over the many
		// partitions of the messages that takes milliseconds, the execution a tenth of one.
		"plan_cache_mode": "force_generic_plan",
	}
	if c.byKey {
		// While a table is tiny, a full scan of an index looks as cheap as a look-up, and
		// the plan stays. A bitmap scan requires a condition on the index.
		all["enable_indexscan"], all["enable_indexonlyscan"] = "off", "off"
	}
	return all
}

// prepare makes connections set their parameters, including the URL's, after the connection
// is made instead of at startup: PgBouncer refuses a connection with startup parameters
// that it doesn't know. They hold for the session, which a pooler in session mode lends to
// nobody else and resets afterwards.
func (c Config) prepare(conn *pgx.ConnConfig) {
	wanted := conn.RuntimeParams
	conn.RuntimeParams = map[string]string{}
	if value, given := wanted[options]; given {
		conn.RuntimeParams[options] = value
		delete(wanted, options)
	}
	maps.Copy(wanted, c.parameters())
	before := conn.AfterConnect
	conn.AfterConnect = func(ctx context.Context, pc *pgconn.PgConn) error {
		if before != nil {
			if err := before(ctx, pc); err != nil {
				return err
			}
		}
		return set(ctx, pc, wanted)
	}
}

// set sets parameters of the session in one statement.
func set(ctx context.Context, conn *pgconn.PgConn, parameters map[string]string) error {
	var calls []string
	var values [][]byte
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		values = append(values, []byte(name), []byte(parameters[name]))
		calls = append(calls, fmt.Sprintf("set_config($%d, $%d, false)", len(values)-1, len(values)))
	}
	if _, err := conn.ExecParams(ctx, "SELECT "+strings.Join(calls, ", "), values, nil, nil, nil).Close(); err != nil {
		return fmt.Errorf("set the session's parameters: %w", err)
	}
	return nil
}
