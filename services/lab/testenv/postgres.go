package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/lab/postgres"
)

// cluster is the one PostgreSQL of this test binary. A server takes longer to
// start than a database to copy, and a TestMain has no other way to reach it.
//
//nolint:gochecknoglobals // see above
var cluster sharedCluster

type sharedCluster struct {
	mainRuns bool

	mu     sync.Mutex
	dir    string
	server *postgres.Server
	count  int
}

// Postgres returns the DSN of a database of its own for this test, with the
// current schema. It is dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	return database(t, template)
}

// EmptyPostgres is like Postgres, without a schema.
func EmptyPostgres(t testing.TB) string {
	t.Helper()
	return database(t, "template1")
}

func database(t testing.TB, from string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, name, err := cluster.create(ctx, from)
	if err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := execute(ctx, server, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name)); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return server.DSN(name)
}

// PostgresServer starts a PostgreSQL of the test's own, for tests that stop or
// kill it. Its database "postgres" is empty.
func PostgresServer(t testing.TB, settings map[string]string) *postgres.Server {
	t.Helper()
	server, err := startPostgres(t.Context(), Folder(t), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func (c *sharedCluster) create(ctx context.Context, from string) (*postgres.Server, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.start(ctx); err != nil {
		return nil, "", err
	}
	c.count++
	name := fmt.Sprintf("test_%d", c.count)
	// Without fsync, files are copied at a quarter of what a log of all pages costs.
	err := execute(ctx, c.server, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy", name, from))
	return c.server, name, err
}

func (c *sharedCluster) start(ctx context.Context) error {
	switch {
	case c.server != nil:
		return nil
	case !c.mainRuns:
		return errors.New("nothing would stop the server: add to the package `func TestMain(m *testing.M) { testenv.Main(m) }`")
	}
	if err := sweep(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(base(), dirPattern)
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	c.server, err = startPostgres(ctx, dir, nil)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	c.dir = dir
	return nil
}

func (c *sharedCluster) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.server != nil {
		err = c.server.Stop()
		c.server = nil
	}
	if c.dir == "" {
		return err
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

func execute(ctx context.Context, server *postgres.Server, statement string) error {
	conn, err := pgx.Connect(ctx, server.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

const (
	dirPattern = "chorus-test-postgres-*"
	// sweepAge spares a folder whose owner has made the lock and not yet taken it.
	sweepAge = time.Minute
)

// sweep removes the data folders of test binaries that were killed: those whose
// lock nobody holds.
func sweep() error {
	locks, err := filepath.Glob(filepath.Join(base(), dirPattern, "lock"))
	if err != nil {
		return fmt.Errorf("look for old data folders: %w", err)
	}
	for _, path := range locks {
		if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) < sweepAge {
			continue
		}
		lock := flock.New(path)
		// Another user's folder, or one that another binary is removing, stays.
		if held, err := lock.TryLock(); err != nil || !held {
			continue
		}
		_ = os.RemoveAll(filepath.Dir(path))
		_ = lock.Unlock()
	}
	return nil
}
