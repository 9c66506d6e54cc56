package store_test

import (
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func config(dsn string) store.Config {
	cfg := store.DefaultConfig()
	cfg.URL, cfg.ConnectTimeout = dsn, time.Second
	return cfg
}

// as returns a DSN with another user, password and database.
func as(t *testing.T, dsn, user, password, database string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword(user, password), "/"+database
	return u.String()
}

// rulesFile writes a pg_hba.conf that the server's user can read, and returns its path.
func rulesFile(t *testing.T, rules ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chorus-rules-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(dir, "pg_hba.conf")
	if err := os.WriteFile(file, []byte(strings.Join(rules, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWhoIsRefusedIsToldWhyAtOnce(t *testing.T) {
	t.Parallel()
	rules := rulesFile(t, "local all visitor scram-sha-256", "local all chorus trust", "local all keyless trust")
	dsn := testenv.PostgresServer(t, map[string]string{"hba_file": rules}).DSN("postgres")
	admin := connect(t, dsn)
	exec(t, admin, `CREATE ROLE visitor LOGIN PASSWORD 'right'`)
	exec(t, admin, `CREATE ROLE keyless LOGIN`)
	exec(t, admin, `CREATE DATABASE private`)
	exec(t, admin, `REVOKE CONNECT ON DATABASE private FROM PUBLIC`)
	for name, test := range map[string]struct{ dsn, want string }{
		"a wrong password": {
			as(t, dsn, "visitor", "hunter2", "postgres"),
			`database.url: password authentication failed for user "visitor" (28P01): check the user and the password`,
		},
		"a user that no rule lets in": {
			as(t, dsn, "nobody", "hunter2", "postgres"),
			`database.url: no pg_hba.conf entry for host "[local]", user "nobody", database "postgres", no encryption (28000): check the user and the password`,
		},
		"no such database": {
			as(t, dsn, "keyless", "hunter2", "nosuch"),
			`database.url: database "nosuch" does not exist (3D000): create it, or name another`,
		},
		"no right to connect": {
			as(t, dsn, "keyless", "hunter2", "private"),
			`database.url: permission denied for database "private" (42501): GRANT this user what it needs, or connect as the owner`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(test.dsn)
			cfg.ConnectTimeout = time.Hour // the error must come without this wait
			_, err := store.Open(t.Context(), cfg)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestWhereNobodyAnswersTheErrorIsOneLine(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for name, host := range map[string]string{
		"a closed port":   closed,
		"several servers": closed + ",127.0.0.2:1",
		"an unknown host": "database.invalid:5432",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Open(t.Context(), config("postgres://visitor:hunter2@"+host+"/chorus?sslmode=disable"))
			if err == nil {
				t.Fatal("opened")
			}
			if s := err.Error(); !strings.HasPrefix(s, "database.url: no database answers within 1s: ") || strings.ContainsAny(s, "\n\t") || strings.Contains(s, "hunter2") {
				t.Errorf("got %q", s)
			}
		})
	}
}

func TestADatabaseWithoutRightsIsToldFromOneWithoutSchema(t *testing.T) {
	t.Parallel()
	empty := testenv.EmptyPostgres(t)
	_, err := store.Open(t.Context(), config(empty))
	if err == nil || !strings.HasPrefix(err.Error(), "the database has no schema, this build needs version ") {
		t.Errorf("without a schema: %v", err)
	}

	migrated := testenv.Postgres(t)
	admin := connect(t, migrated)
	user := "reader_of_" + admin.Config().Database
	exec(t, admin, `CREATE ROLE `+user+` LOGIN`)
	_, err = store.Open(t.Context(), config(as(t, migrated, user, "", admin.Config().Database)))
	if err == nil || err.Error() != "database.url: permission denied for table goose_db_version (42501): GRANT this user what it needs, or connect as the owner" {
		t.Errorf("without rights: %v", err)
	}
}

func TestOpenSetsBounds(t *testing.T) {
	t.Parallel()
	cfg := config(testenv.Postgres(t))
	cfg.MaxConnections, cfg.StatementTimeout = 3, 250*time.Millisecond
	pool, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if n := pool.Config().MaxConns; n != 3 {
		t.Errorf("%d connections at most, want 3", n)
	}
	if _, err := pool.Exec(t.Context(), `SELECT pg_sleep(60)`); err == nil || !strings.Contains(err.Error(), "57014") {
		t.Errorf("a statement that takes too long: %v", err)
	}
}

func TestInTxIsAllOrNothing(t *testing.T) {
	t.Parallel()
	pool, err := store.Open(t.Context(), config(testenv.Postgres(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	failed := errors.New("failed")
	for _, want := range []error{failed, nil} {
		err := store.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `INSERT INTO people (telegram_id, name) VALUES (1, 'Tom')`); err != nil {
				return err
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
		var there bool
		if err := pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM people)`).Scan(&there); err != nil || there != (want == nil) {
			t.Errorf("after %v the row is there: %v (%v)", want, there, err)
		}
	}
}

func TestConfigsMistakesAreNamed(t *testing.T) {
	t.Parallel()
	if err := store.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for key, change := range map[string]func(*store.Config){
		"url:":               func(c *store.Config) { c.URL = "postgres://visitor:hunter2@host:port/db" },
		"max_connections:":   func(c *store.Config) { c.MaxConnections = 1 },
		"connect_timeout:":   func(c *store.Config) { c.ConnectTimeout = 0 },
		"statement_timeout:": func(c *store.Config) { c.StatementTimeout = time.Hour },
	} {
		cfg := store.DefaultConfig()
		change(&cfg)
		err := cfg.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), key) || !strings.Contains(err.Error(), "want") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s %v", key, err)
		}
	}
	_, err := store.Dial(t.Context(), config("host=localhost password=hunter2 sslmode=bogus"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestAnAddressThatIsTriedTwiceIsNamedOnce(t *testing.T) {
	t.Parallel()
	// Without sslmode, pgx tries TLS first and then a plain connection.
	cfg := config("postgres://visitor@127.0.0.1:1/chorus")
	cfg.ConnectTimeout = 20 * time.Second // on a busy machine even a refusal takes a while
	_, err := store.Open(t.Context(), cfg)
	if err == nil || strings.Count(err.Error(), "connection refused") != 1 || strings.ContainsAny(err.Error(), "\n\t") {
		t.Errorf("got %v", err)
	}
}
