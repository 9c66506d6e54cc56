package testenv

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/child"
	"github.com/chorus-cast/chorus/services/lab/debian"
)

// PgBouncer starts Debian's PgBouncer before a database, with the settings that it
// has when it is installed and those that are given, and returns the database's DSN
// through it. It stops when the test ends.
func PgBouncer(t testing.TB, dsn string, settings ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), debian.Patience)
	defer cancel()
	program, err := debian.Ensure(ctx, "pgbouncer", "usr/sbin/pgbouncer")
	if err != nil {
		t.Fatalf("this test needs PgBouncer: %v", err)
	}
	// It runs as a user who may not open the server's socket.
	link, err := url.Parse(Proxy(t, dsn).URL())
	if err != nil {
		t.Fatal(err)
	}
	address, err := child.FreeAddress(ctx)
	if err != nil {
		t.Fatal(err)
	}
	file := bouncerFile(t, link, address, settings)
	said, err := os.Create(file + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd := program.Command(file)
	cmd.Stdout, cmd.Stderr = said, said
	process, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(0); err != nil {
			t.Error(err)
		}
	})
	Eventually(t, "PgBouncer listens", func() (string, bool) {
		select {
		case <-process.Done():
			text, err := os.ReadFile(said.Name())
			t.Fatalf("PgBouncer ended: %s (%v)", text, err)
		default:
		}
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return err.Error(), false
		}
		return "", conn.Close() == nil
	})
	link.Host = address
	return link.String()
}

// bouncerFile writes a configuration, which PgBouncer reads before it changes its
// user, and the list of users, which it reads afterwards, too.
func bouncerFile(t testing.TB, server *url.URL, address string, settings []string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chorus-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, "userlist.txt")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%s", server.Hostname(), server.Port()),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1", "listen_port = " + port, "unix_socket_dir =",
		"auth_type = trust", "auth_file = " + users,
	}
	if os.Geteuid() == 0 {
		lines = append(lines, "user = nobody")
	}
	text := strings.Join(append(lines, settings...), "\n") + "\n"
	file := filepath.Join(dir, "pgbouncer.ini")
	for path, text := range map[string]string{file: text, users: fmt.Sprintf("%q \"\"\n", server.User.Username())} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return file
}
