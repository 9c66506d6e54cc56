// Package store opens Chorus' database: one pool, time-outs on every statement,
// and a check that the schema is the one this build knows.
package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/migrations"
)

// Config says where the database is.
type Config struct {
	URL              string        `config:"url" doc:"PostgreSQL, as postgres://USER:PASSWORD@HOST:PORT/DATABASE; empty in chorus up for a private one" secret:"true"`
	MaxConnections   int           `config:"max_connections" doc:"connections that one service opens at most"`
	ConnectTimeout   time.Duration `config:"connect_timeout" doc:"how long a service waits for the database when it starts"`
	StatementTimeout time.Duration `config:"statement_timeout" doc:"after this long the database gives a statement up"`
}

// DefaultConfig suits one service.
func DefaultConfig() Config {
	return Config{MaxConnections: 16, ConnectTimeout: 30 * time.Second, StatementTimeout: 10 * time.Second}
}

// Validate joins everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	if _, err := pgxpool.ParseConfig(c.URL); err != nil {
		// pgx's own message masks the password.
		errs = append(errs, fmt.Errorf("url: want postgres://USER:PASSWORD@HOST:PORT/DATABASE (%w)", err))
	}
	if c.MaxConnections < 2 || c.MaxConnections > 1000 {
		errs = append(errs, fmt.Errorf("max_connections: %d, want 2 to 1000", c.MaxConnections))
	}
	if c.ConnectTimeout < time.Second || c.ConnectTimeout > 10*time.Minute {
		errs = append(errs, fmt.Errorf("connect_timeout: %v, want 1s to 10m", c.ConnectTimeout))
	}
	if c.StatementTimeout < 100*time.Millisecond || c.StatementTimeout > 10*time.Minute {
		errs = append(errs, fmt.Errorf("statement_timeout: %v, want 100ms to 10m", c.StatementTimeout))
	}
	return errors.Join(errs...)
}

// Open connects and checks the schema. It waits cfg.ConnectTimeout for a server
// that does not answer yet, and not at all for one that refuses.
func Open(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	pool, err := Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := migrations.Check(ctx, pool); err != nil {
		pool.Close()
		return nil, Refusal(err)
	}
	return pool, nil
}

// Dial is Open without the look at the schema.
func Dial(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("database.url: %w", err)
	}
	pc.MaxConns = int32(cfg.MaxConnections) //nolint:gosec // validated
	pc.ConnConfig.ConnectTimeout = 5 * time.Second
	pc.ConnConfig.RuntimeParams["statement_timeout"] = strconv.FormatInt(cfg.StatementTimeout.Milliseconds(), 10)
	// A transaction whose owner is gone must not hold its locks for ever.
	pc.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "30000"
	// All statements are short. One over the many partitions of the messages looks
	// expensive all the same, and would be compiled for a tenth of a second, each
	// time anew.
	pc.ConnConfig.RuntimeParams["jit"] = "off"
	// Statements name the rows that they want by keys. PostgreSQL plans a prepared
	// one while the tables are young, would take reading all of one for the cheapest,
	// and keep to that while they grow: until it next looks at them, minutes later,
	// each costs as much more as there are more rows.
	pc.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
	// So what they are asked for changes nothing about the best way to it, and they
	// are planned once for a connection. Else PostgreSQL plans most of them anew each
	// time, because it knows better then how many rows there will be: over the many
	// partitions of the messages that takes milliseconds, to run them a tenth of one.
	pc.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	pc.ConnConfig.RuntimeParams["application_name"] = "chorus"
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
		err := pool.Ping(waiting)
		if err == nil {
			return nil
		}
		if said := (*pgconn.PgError)(nil); errors.As(err, &said) && final(said.Code) {
			return Refusal(err)
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

// PostgreSQL's codes for errors that waiting doesn't cure. Those of wrong users
// and passwords begin with noEntry.
const (
	noEntry    = "28"
	noDatabase = "3D000"
	noRight    = "42501"
)

func final(code string) bool {
	return strings.HasPrefix(code, noEntry) || code == noDatabase || code == noRight
}

// Refusal is what the server said where it refuses this user or database, with
// what to do and without how pgx came to hear it. Other errors stay as they are.
func Refusal(err error) error {
	said := (*pgconn.PgError)(nil)
	if !errors.As(err, &said) || !final(said.Code) {
		return err
	}
	remedy := "check the user and the password"
	switch said.Code {
	case noDatabase:
		remedy = "create it, or name another"
	case noRight:
		remedy = "GRANT this user what it needs, or connect as the owner"
	}
	return fmt.Errorf("database.url: %s (%s): %s", said.Message, said.Code, remedy)
}

// oneLine makes one line of pgx's list of what each address answered, where an
// address that was tried with TLS and without stands twice.
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
