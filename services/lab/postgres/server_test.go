package postgres_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/chorus-cast/chorus/services/lab/postgres"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerVariable); dir != "" {
		own(dir)
	}
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, dir string) *postgres.Server {
	t.Helper()
	s, err := postgres.Start(t.Context(), config(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func config(t *testing.T, dir string) postgres.Config {
	t.Helper()
	return postgres.Config{DataDir: dir, Log: zaptest.NewLogger(t), Volatile: true}
}

// query returns the one value that a statement answers with, "" for none.
func query(t *testing.T, dsn, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), statement, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(values, ",")
}

// socketDir returns the folder of the server's socket.
func socketDir(t *testing.T, s *postgres.Server) string {
	t.Helper()
	dsn, err := url.Parse(s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	return dsn.Query().Get("host")
}

func TestRestartKeepsTheData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	s := start(t, dir)
	if err := s.CreateDatabase(t.Context(), "chorus"); err != nil {
		t.Fatal(err)
	}
	query(t, s.DSN("chorus"), "CREATE TABLE kept AS SELECT 'Привет' AS word")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}

	s = start(t, dir)
	if err := s.CreateDatabase(t.Context(), "chorus"); err != nil {
		t.Fatalf("creating a database that exists: %v", err)
	}
	if got := query(t, s.DSN("chorus"), "SELECT upper(word) FROM kept"); got != "ПРИВЕТ" {
		t.Errorf("after the restart the table has %q", got)
	}
}

func TestStopIsIdempotentAndConcurrent(t *testing.T) {
	s := start(t, t.TempDir())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	<-s.Done()
}

func TestSettingsReachTheServer(t *testing.T) {
	cfg := config(t, t.TempDir())
	cfg.Settings = map[string]string{"synchronous_commit": "off", "max_connections": "17"}
	s, err := postgres.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for name, want := range map[string]string{
		"max_connections":    "17",
		"synchronous_commit": "off",
		"fsync":              "off",
		"listen_addresses":   "",
		"server_encoding":    "UTF8",
		"TimeZone":           "UTC",
	} {
		if got := query(t, s.DSN("postgres"), "SHOW "+name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestSocketIsPrivate(t *testing.T) {
	s := start(t, t.TempDir())
	info, err := os.Stat(socketDir(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("the socket's folder has mode %o, want 700", mode)
	}
}

func TestLongPathsGetAShortSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	s := start(t, dir)
	if got := query(t, s.DSN("postgres"), "SELECT 'hello'"); got != "hello" {
		t.Errorf("got %q", got)
	}
	socket := socketDir(t, s)
	if strings.HasPrefix(socket, dir) {
		t.Fatalf("the socket is in %s", socket)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket's folder is still there: %v", err)
	}
}

func TestTwoServersCantShareAFolder(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := postgres.Start(ctx, config(t, dir))
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v, want that the folder is in use", err)
	}
}

func TestStartWaitsForAPredecessor(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	began := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		<-began
		if err := first.Stop(); err != nil {
			t.Error(err)
		}
	})
	close(began)
	start(t, dir)
	wg.Wait()
}

func TestFolderOfAnotherVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "cluster"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cluster", "PG_VERSION"), []byte("12\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := postgres.Start(t.Context(), config(t, dir))
	if err == nil || !strings.Contains(err.Error(), "was made by PostgreSQL 12") {
		t.Errorf("got %v, want the version named", err)
	}
}

func TestBrokenSettingIsToldInPostgresWords(t *testing.T) {
	cfg := config(t, t.TempDir())
	cfg.Settings = map[string]string{"no_such_setting": "1"}
	_, err := postgres.Start(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want the setting named", err)
	}
}

func TestHalfMadeFolderIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "new-123", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
	if left, _ := filepath.Glob(filepath.Join(dir, "new-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRecycledProcessIDIsNoPredecessor(t *testing.T) {
	other := t.TempDir()
	start(t, other)
	for file, pid := range map[string]string{
		// Process 1 lives, and under root PostgreSQL's user can't tell whether it is a server.
		"postmaster.pid": "1",
		// One of the same user.
		".s.PGSQL.5432.lock": contentOf(t, other, "postmaster.pid")[0],
	} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			s := start(t, dir)
			left := contentOf(t, dir, file)
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			left[0] = pid
			if err := os.WriteFile(filepath.Join(dir, "cluster", file), []byte(strings.Join(left, "\n")), 0o644); err != nil {
				t.Fatal(err)
			}
			start(t, dir)
		})
	}
}

// contentOf is the lines of a file in a cluster's folder.
func contentOf(t *testing.T, dir, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "cluster", file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(raw), "\n")
}
