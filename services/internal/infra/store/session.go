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

// options is the one start-up parameter that has no other way: it is a command line.
const options = "options"

// parameters are the server's parameters of each session.
func (c Config) parameters() map[string]string {
	all := map[string]string{
		"application_name":  cmp.Or(c.Name, "chorus"),
		"statement_timeout": strconv.FormatInt(c.StatementTimeout.Milliseconds(), 10),
		// A transaction whose owner is gone must not hold its locks for ever.
		"idle_in_transaction_session_timeout": "30000",
		// All statements are short. One over the many partitions of the messages looks
		// expensive all the same, and would be compiled for a tenth of a second, each
		// time anew.
		"jit": "off",
		// Statements name the rows that they want by keys. PostgreSQL plans a prepared
		// one while the tables are young, would take reading all of one for the cheapest,
		// and keep to that while they grow: until it next looks at them, minutes later,
		// each costs as much more as there are more rows.
		"enable_seqscan": "off",
		// So what they are asked for changes nothing about the best way to it, and they
		// are planned once for a connection. Else PostgreSQL plans most of them anew each
		// time, because it knows better then how many rows there will be: over the many
		// partitions of the messages that takes milliseconds, to run them a tenth of one.
		"plan_cache_mode": "force_generic_plan",
	}
	if c.byKey {
		// While a table is tiny, reading all of an index looks as cheap as a look into it,
		// and the plan stays. A bitmap scan is only possible with a condition on the index.
		all["enable_indexscan"], all["enable_indexonlyscan"] = "off", "off"
	}
	return all
}

// prepare lets connections set their parameters after they are made, those of the
// URL too, rather than ask for them while they are: PgBouncer refuses a connection
// that asks for parameters that it does not know. What is set holds for the session,
// which a pooler by session gives to nobody else, and resets afterwards.
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
