package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// listen takes a free port until the end of the test.
func listen(t testing.TB) net.Listener {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return l
}

// addresses counts the addresses returned by nobody.
var addresses atomic.Uint32

// nobody returns an address at which nobody ever listens. Servers that take a free port use
// 127.0.0.1; this is another loopback address, if the system has them.
func nobody(t testing.TB) string {
	t.Helper()
	n, pid := addresses.Add(1), os.Getpid()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+n%254, pid>>8&0xff, 1+pid%254))
	if err != nil {
		l = listen(t)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func natsWithoutJetStream(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS doesn't start")
	}
	return s.ClientURL()
}

// oldNATS starts a server that greets like the NATS of Debian 12, and can do nothing else.
func oldNATS(t *testing.T) string {
	t.Helper()
	l := listen(t)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { greet(conn) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return "nats://" + l.Addr().String()
}

// greet answers a client's greeting, and closes when the client does.
func greet(conn net.Conn) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return
	}
	_, err := fmt.Fprint(conn, `INFO {"server_id":"OLD","server_name":"old","version":"2.9.25","proto":1,"headers":true,"max_payload":1048576,"jetstream":true}`+"\r\n")
	request := make([]byte, 4096)
	for err == nil {
		if _, err = conn.Read(request); err == nil {
			_, err = fmt.Fprint(conn, "PONG\r\n")
		}
	}
}

// password is the visitor's password. No message may contain it.
const password = "secret-of-tests"

// limitedDatabases holds addresses of databases on a server with passwords.
type limitedDatabases struct {
	wrong   string // with a wrong password
	missing string // without the database
	limited string // has the schema, but the user may not read it
	empty   string // has no schema, and the user may not create one
}

func limitedDatabase(t *testing.T) limitedDatabases {
	t.Helper()
	rules := public(t, "hba.conf", "local all visitor scram-sha-256\nlocal all all trust\n")
	s := testenv.PostgresServer(t, map[string]string{"hba_file": rules})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, statement := range []string{
		`CREATE ROLE visitor LOGIN PASSWORD '` + password + `'`,
		`CREATE TABLE goose_db_version (id int, version_id bigint, is_applied bool, tstamp timestamp)`,
		`CREATE DATABASE empty`,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	as := func(database, password string) string {
		u, err := url.Parse(s.DSN(database))
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("visitor", password)
		return u.String()
	}
	return limitedDatabases{
		wrong: as("postgres", password+"-not"), missing: as("nothing", password),
		limited: as("postgres", password), empty: as("empty", password),
	}
}

// public writes a file that other users can read: under root, PostgreSQL runs as another
// user.
func public(t *testing.T, name, text string) string {
	t.Helper()
	dir := testenv.Folder(t)
	path := filepath.Join(dir, name)
	for _, err := range []error{
		os.Chmod(dir, 0o755),
		os.WriteFile(path, []byte(text), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// newerSchema returns a database that a later build has migrated, and that earlier builds
// can't use.
func newerSchema(t *testing.T) string {
	t.Helper()
	dsn := testenv.Postgres(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, statement := range []string{
		`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`,
		`UPDATE schema_support SET oldest_build = 9999`,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return dsn
}
