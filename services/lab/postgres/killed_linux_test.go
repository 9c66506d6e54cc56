package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/postgres"
)

// ownerVariable names a data folder. It makes the test binary start a server
// there, print its DSN and wait to be killed or for its input to end.
const ownerVariable = "CHORUS_TEST_DATA_DIR"

func own(dir string) {
	ctx := context.Background()
	s, err := postgres.Start(ctx, postgres.Config{DataDir: dir, Log: zap.NewNop(), Volatile: true})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(s.DSN("postgres"))
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	if err := s.Stop(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// owner starts another process that owns a server on dir, and returns when the
// server takes connections.
func owner(t *testing.T, exe, dir string, as *syscall.Credential) (cmd *exec.Cmd, dsn string) {
	t.Helper()
	cmd = exec.Command(exe)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), ownerVariable+"="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGKILL}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error:") {
		t.Fatalf("the other process fails: %v %s", err, line)
	}
	return cmd, strings.TrimSpace(line)
}

func executable(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func TestKilledOwnerLosesNothing(t *testing.T) {
	dir := t.TempDir()
	exe := executable(t)
	const rounds = 3
	for round := range rounds {
		cmd, dsn := owner(t, exe, dir, nil)
		if round == 0 {
			query(t, dsn, "CREATE TABLE rounds (n int)")
		}
		query(t, dsn, "INSERT INTO rounds VALUES ("+strconv.Itoa(round)+")")
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	s := start(t, dir) // at once: the old server may still be going down
	if got := query(t, s.DSN("postgres"), "SELECT count(*)::text FROM rounds"); got != strconv.Itoa(rounds) {
		t.Errorf("%s of %d commits survived", got, rounds)
	}
}

// TestKilledServer is the harder case: PostgreSQL had no chance to tidy up.
func TestKilledServer(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	query(t, s.DSN("postgres"), "CREATE TABLE kept AS SELECT 'yes' AS word")
	if err := syscall.Kill(s.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir)
	if got := query(t, s.DSN("postgres"), "SELECT word FROM kept"); got != "yes" {
		t.Errorf("after the kill the table has %q", got)
	}
}

// TestOrphanIsStopped is the case of systems where nothing tells the server of
// its owner's end: the lock is free, but the server runs.
func TestOrphanIsStopped(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	if err := os.Remove(filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
	<-s.Done()
}

// TestOrdinaryUser runs a server as a user that isn't root, and root then takes
// over its folder. Without root, the current user is the ordinary one.
func TestOrdinaryUser(t *testing.T) {
	exe, dir, as := executable(t), t.TempDir(), (*syscall.Credential)(nil)
	if os.Geteuid() == 0 {
		exe, dir, as = asNobody(t)
	}
	cmd, dsn := owner(t, exe, dir, as)
	query(t, dsn, "CREATE TABLE kept AS SELECT 'yes' AS word")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	s := start(t, dir)
	if got := query(t, s.DSN("postgres"), "SELECT word FROM kept"); got != "yes" {
		t.Errorf("the table has %q", got)
	}
}

// asNobody copies the test binary to where nobody can run it and makes a folder
// that belongs to nobody.
func asNobody(t *testing.T) (exe, dir string, as *syscall.Credential) {
	t.Helper()
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(nobody.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(nobody.Gid)
	if err != nil {
		t.Fatal(err)
	}
	open, err := os.MkdirTemp("/tmp", "chorus-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(open) })
	exe, dir = filepath.Join(open, "postgres.test"), filepath.Join(open, "data")
	content, err := os.ReadFile(executable(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return os.Chmod(open, 0o755) },
		func() error { return os.WriteFile(exe, content, 0o755) },
		func() error { return os.Chmod(exe, 0o755) },
		func() error { return os.Mkdir(dir, 0o700) },
		func() error { return os.Chown(dir, uid, gid) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return exe, dir, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
