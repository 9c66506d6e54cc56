// Package migrations holds the schema of Chorus' database as numbered SQL files
// and applies them. A database-wide lock lets any number of processes ask for
// the same migration at once.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed sql/*.sql
var files embed.FS

// Files are the migrations.
func Files() fs.FS { return files }

// Status is one migration and when it was applied.
type Status struct {
	Version   int64
	File      string
	AppliedAt time.Time // zero if it is pending
}

// VersionError says that a database has a schema that this build can't work on: an
// older one, or a newer one that no longer serves it.
type VersionError struct {
	Have, Want int64
}

func (e *VersionError) Error() string {
	switch {
	case e.Have == 0:
		return fmt.Sprintf("the database has no schema, this build needs version %d: run chorus migrate up", e.Want)
	case e.Have < e.Want:
		return fmt.Sprintf("the database's schema is at version %d, this build needs %d: run chorus migrate up", e.Have, e.Want)
	default:
		return fmt.Sprintf("the database's schema is at version %d, this build knows only up to %d: "+
			"use a newer build, or run chorus migrate down with the newer one", e.Have, e.Want)
	}
}

// Up brings the database to this build's version. What fails is rolled back. A
// database that is newer than this build is left alone, with a *VersionError unless
// its schema serves this build, too.
func Up(ctx context.Context, dsn string) error {
	return with(dsn, func(p *goose.Provider, db *sql.DB) error {
		have, want, err := versions(ctx, p)
		if err != nil {
			return err
		}
		if have > want {
			return serves(have, want, db.QueryRowContext(ctx, oldestBuild))
		}
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("migrate up: %w", err)
		}
		return nil
	})
}

// Down takes the newest migration back, and the data of its tables with it. A
// database that is newer than this build is left alone, with a *VersionError.
func Down(ctx context.Context, dsn string) error {
	return with(dsn, func(p *goose.Provider, _ *sql.DB) error {
		have, want, err := versions(ctx, p)
		if err != nil {
			return err
		}
		if have > want {
			return &VersionError{Have: have, Want: want}
		}
		_, err = p.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return errors.New("no migration is applied: there is nothing to take back")
		}
		if err != nil {
			return fmt.Errorf("migrate down: %w", err)
		}
		return nil
	})
}

// versions are the database's and this build's.
func versions(ctx context.Context, p *goose.Provider) (have, want int64, err error) {
	if want, err = Latest(); err != nil {
		return 0, 0, err
	}
	if have, err = p.GetDBVersion(ctx); err != nil {
		return 0, 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return have, want, nil
}

// List tells every migration of this build and whether it is applied.
func List(ctx context.Context, dsn string) ([]Status, error) {
	var list []Status
	err := with(dsn, func(p *goose.Provider, _ *sql.DB) error {
		all, err := p.Status(ctx)
		if err != nil {
			return fmt.Errorf("look which migrations are applied: %w", err)
		}
		for _, s := range all {
			list = append(list, Status{Version: s.Source.Version, File: s.Source.Path, AppliedAt: s.AppliedAt})
		}
		return nil
	})
	return list, err
}

// Latest is the version that this build knows.
func Latest() (int64, error) {
	names, err := fs.Glob(files, "sql/*.sql")
	if err != nil {
		return 0, fmt.Errorf("find the embedded migrations: %w", err)
	}
	if len(names) == 0 {
		return 0, errors.New("no migrations are embedded")
	}
	version, err := goose.NumericComponent(names[len(names)-1])
	if err != nil {
		return 0, fmt.Errorf("read a migration's version: %w", err)
	}
	return version, nil
}

// Querier runs one query; a pgx pool, connection or transaction does.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Check gives a *VersionError unless the database is at this build's version, or at
// a newer one that serves this build, too. It only reads.
func Check(ctx context.Context, db Querier) error {
	want, err := Latest()
	if err != nil {
		return err
	}
	have, err := version(ctx, db)
	if err != nil {
		return err
	}
	if have <= want {
		return exactly(have, want)
	}
	return serves(have, want, db.QueryRow(ctx, oldestBuild))
}

// Newer tells whether the database is at a later version than this build's.
func Newer(ctx context.Context, db Querier) (bool, error) {
	want, err := Latest()
	if err != nil {
		return false, err
	}
	have, err := version(ctx, db)
	return have > want, err
}

func version(ctx context.Context, db Querier) (have int64, err error) {
	err = db.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&have)
	if pgErr := (*pgconn.PgError)(nil); errors.As(err, &pgErr) && pgErr.Code == pgerrcodeUndefinedTable {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return have, nil
}

func exactly(have, want int64) error {
	if have != want {
		return &VersionError{Have: have, Want: want}
	}
	return nil
}

// oldestBuild is the oldest build that a schema serves, by its version.
const oldestBuild = `SELECT oldest_build FROM schema_support`

// serves is a *VersionError if the schema is too new for a build of the version that
// is wanted.
func serves(have, want int64, row interface{ Scan(into ...any) error }) error {
	var oldest int64
	if err := row.Scan(&oldest); err != nil {
		return fmt.Errorf("read which builds the schema serves: %w", err)
	}
	if want < oldest {
		return &VersionError{Have: have, Want: want}
	}
	return nil
}

// pgerrcodeUndefinedTable is what PostgreSQL answers where goose never ran.
const pgerrcodeUndefinedTable = "42P01"

// How often, in seconds, and how many times the lock is tried while another
// process migrates.
const lockEvery, lockTries = 1, 300

// open opens the database for goose. Parameters of the URL are set once a connection
// stands, as PgBouncer refuses connections that ask for those that it does not know.
func open(dsn string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	const options = "options" // a command line, which can't be set
	wanted := cfg.RuntimeParams
	cfg.RuntimeParams = map[string]string{}
	if value, given := wanted[options]; given {
		cfg.RuntimeParams[options] = value
		delete(wanted, options)
	}
	return stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		for name, value := range wanted {
			if _, err := conn.Exec(ctx, `SELECT set_config($1, $2, false)`, name, value); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
		return nil
	})), nil
}

func with(dsn string, do func(*goose.Provider, *sql.DB) error) (err error) {
	db, err := open(dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	sources, err := fs.Sub(files, "sql")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEvery, lockTries))
	if err != nil {
		return fmt.Errorf("lock the migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, sources, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	return do(p, db)
}
