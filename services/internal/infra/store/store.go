// Package store opens Chorus' database: one pool, time-outs on every statement, and a check
// that this build knows the schema.
package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/internal/infra/startup"
)

// Timeout limits a statement, or a few that belong together, if the caller sets no limit.
const Timeout = 10 * time.Second

// Config holds the database's address and limits.
type Config struct {
	URL string `config:"url" doc:"PostgreSQL, as postgres://USER:PASSWORD@HOST:PORT/DATABASE; empty in chorus up for a private one" secret:"true"`
	// MaxConnections has a minimum that leaves two for work: a listener needs one for
	// notifications, one for its leases and, now and then, one for the lock of its
	// cleaning, and two parts are reserved, see Split.
	MaxConnections   int           `config:"max_connections" min:"7" max:"1000" doc:"connections to the database that one service has open at most, all together"`
	ConnectTimeout   time.Duration `config:"connect_timeout" min:"1s" max:"10m" doc:"how long a service waits for the database when it starts"`
	StatementTimeout time.Duration `config:"statement_timeout" min:"100ms" max:"10m" doc:"after this long the database gives a statement up"`

	// Name is the connections' application_name, "chorus" if empty.
	Name string

	// byKey is set for connections whose statements all select rows by keys.
	byKey bool
}

// DefaultConfig returns settings for one service.
func DefaultConfig() Config {
	return Config{MaxConnections: 16, ConnectTimeout: 30 * time.Second, StatementTimeout: 10 * time.Second}
}

// Validate returns all mistakes, joined.
func (c Config) Validate() error {
	var errs []error
	if _, err := pgxpool.ParseConfig(c.URL); err != nil {
		// pgx's own message masks the password.
		errs = append(errs, fmt.Errorf("url: want postgres://USER:PASSWORD@HOST:PORT/DATABASE (%w)", err))
	}
	return errors.Join(append(errs, config.Check(c))...)
}

const (
	// share is the divisor for each of the two reserved parts: reading, and rows by keys.
	// maxShare limits each part.
	share, maxShare = 4, 4
)

// Split divides a service's connections. Connections for reading are used while one for
// work is held: in one pool, many concurrent readers would wait for each other. Connections
// for rows plan for statements that select rows by keys.
func (c Config) Split() (work, reading, rows Config) {
	work, reading = c, c
	reading.MaxConnections = min(maxShare, c.MaxConnections/share)
	work.MaxConnections -= 2 * reading.MaxConnections
	return work, reading, reading.ByKey()
}

// ByKey returns settings for connections whose statements all select rows by keys.
func (c Config) ByKey() Config {
	c.byKey = true
	return c
}

// Open connects and checks the schema. It waits up to cfg.ConnectTimeout for a server that
// doesn't respond yet. It doesn't wait if the server refuses.
func Open(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	pool, err := Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	err = startup.Wait(ctx, cfg.ConnectTimeout, Passes, func(ctx context.Context) error { return migrations.Check(ctx, pool) })
	if err != nil {
		pool.Close()
		return nil, Refusal(err)
	}
	return pool, nil
}

// Dial is Open without the check of the schema.
func Dial(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("database.url: %w", err)
	}
	pc.MaxConns = int32(cfg.MaxConnections) //nolint:gosec // validated
	pc.ConnConfig.ConnectTimeout = 5 * time.Second
	cfg.prepare(pc.ConnConfig)
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("database.url: %w", err)
	}
	if err := await(ctx, pool, cfg.ConnectTimeout); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

func await(ctx context.Context, pool *pgxpool.Pool, patience time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := ownSessions(waiting, pool)
		if err == nil {
			return nil
		}
		if refused := (*RefusedError)(nil); errors.As(Refusal(err), &refused) {
			return refused
		}
		retry := time.NewTimer(500 * time.Millisecond)
		select {
		case <-retry.C:
		case <-waiting.Done():
			retry.Stop()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("database.url: no database answers within %v: %s", patience, oneLine(err))
		}
	}
}

// oneLine joins pgx' list of errors by address into one line. It removes duplicates,
// because an address may be tried with TLS and without.
func oneLine(err error) string {
	var answers []string
	for answer := range strings.Lines(err.Error()) {
		if answer = strings.TrimSpace(answer); !slices.Contains(answers, answer) {
			answers = append(answers, answer)
		}
	}
	return strings.Replace(strings.Join(answers, "; "), ":; ", ": ", 1)
}

// InTx runs do in a transaction, which is rolled back if do fails.
func InTx(ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, pool, do)
}

// Time returns the database's time.
func Time(ctx context.Context, pool *pgxpool.Pool) (now time.Time, err error) {
	if err := pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return time.Time{}, fmt.Errorf("the database does not tell the time: %w", err)
	}
	return now, nil
}

// fillPage inserts a row that fills its page.
const fillPage = `INSERT INTO write_probes (filler) VALUES (repeat('x', 6000))`

var errTakeBack = errors.New("the probe is taken back")

// Writable returns an error unless the database accepts writes: it may respond though it is
// read-only, or its disk is full. It inserts a row and rolls back.
func Writable(ctx context.Context, pool *pgxpool.Pool) error {
	err := InTx(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fillPage); err != nil {
			return fmt.Errorf("the database takes no writes: %w", err)
		}
		return errTakeBack
	})
	if errors.Is(err, errTakeBack) {
		return nil
	}
	return err
}

// Querier runs a query; pgx' pools, connections and transactions do.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// DB runs statements; pgx' pools, connections and transactions do.
type DB interface {
	Querier
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Collect returns all rows of a query. Errors begin with what, the query's purpose.
func Collect[T any](ctx context.Context, db Querier, what string, row pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, _ := db.Query(ctx, sql, args...) // its error is also the rows'
	all, err := pgx.CollectRows(rows, row)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return all, nil
}

// Each scans the rows of a query one by one into the same variables, and calls do after
// each.
func Each(ctx context.Context, db Querier, what string, into []any, do func() error, sql string, args ...any) error {
	rows, _ := db.Query(ctx, sql, args...) // as above
	if _, err := pgx.ForEachRow(rows, into, do); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
