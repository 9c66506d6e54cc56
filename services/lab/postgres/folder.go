package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/chorus-cast/chorus/services/lab/child"
)

// folder is what Config.DataDir names:
//
//	lock      held by the process that owns the server; says who is alive
//	cluster/  PostgreSQL's own data, of mode 0700
type folder struct {
	path string
	lock *flock.Flock
}

// newPattern names a cluster that initdb is making; it is renamed when complete, so
// that a kill in the middle leaves nothing half-made behind.
const newPattern = "new-*"

// pollEvery is the interval at which another process' state is read.
const pollEvery = 20 * time.Millisecond

func (f *folder) cluster() string { return filepath.Join(f.path, "cluster") }

// openFolder makes the folder unless it exists, and takes its lock. It waits until
// a predecessor that is still shutting down has let go, until ctx is done.
func openFolder(ctx context.Context, dataDir string) (*folder, error) {
	path, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dataDir, err)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	lock := flock.New(filepath.Join(path, "lock"))
	_, err = lock.TryLockContext(ctx, pollEvery)
	switch {
	case err == nil:
		return &folder{path: path, lock: lock}, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the data folder %s is in use by another process: stop it or choose another folder: %w", path, err)
	default:
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
}

func (f *folder) close() error {
	if err := f.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock the data folder: %w", err)
	}
	return nil
}

// major is the version of the PostgreSQL that made the data folder, 0 if there is
// nothing in it yet.
func (f *folder) major() (int, error) {
	raw, err := os.ReadFile(filepath.Join(f.cluster(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	major, parseErr := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err := errors.Join(err, parseErr); err != nil {
		return 0, fmt.Errorf("read the data folder's version: %w", err)
	}
	return major, nil
}

// initialize makes a new cluster.
func (f *folder) initialize(ctx context.Context, b binaries, acc *syscall.Credential, volatile bool) error {
	leftovers, err := filepath.Glob(filepath.Join(f.path, newPattern))
	for _, dir := range leftovers {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return fmt.Errorf("remove leftovers in the data folder: %w", err)
	}
	dir, err := os.MkdirTemp(f.path, newPattern)
	if err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := errors.Join(give(dir, acc), initdb(ctx, b, acc, dir, volatile)); err != nil {
		return err
	}
	if err := os.Rename(dir, f.cluster()); err != nil {
		return fmt.Errorf("move the new data folder to its place: %w", err)
	}
	return nil
}

func initdb(ctx context.Context, b binaries, acc *syscall.Credential, dir string, volatile bool) error {
	cmd, path, closeDir, err := b.command(ctx, "initdb", acc, dir)
	if err != nil {
		return err
	}
	defer closeDir()
	ctype := "C.UTF-8"
	if runtime.GOOS == "darwin" {
		ctype = "UTF-8"
	}
	cmd.Args = append(cmd.Args,
		"--pgdata="+path,
		"--username="+superuser,
		"--encoding=UTF8",
		// Bytewise order is the same on every system and in every release of
		// its C library, so no index ever breaks; letters still know their case.
		"--locale=C", "--lc-ctype="+ctype,
		"--auth-local=trust", "--auth-host=reject",
	)
	if volatile {
		cmd.Args = append(cmd.Args, "--no-sync", "--wal-segsize=1") // a third to write, and to copy
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return err
	}
	<-p.Done()
	if err := p.Err(); err != nil {
		text := strings.TrimSpace(out.String())
		return fmt.Errorf("make the data folder with initdb: %w: %s", err, text[strings.LastIndex(text, "\n")+1:])
	}
	return nil
}

// command is a program of PostgreSQL that runs as acc on a data folder, which it
// finds under the path. Its environment has no PG* and LC_* variables, which would
// change what it does.
func (b binaries) command(ctx context.Context, program string, acc *syscall.Credential, dir string) (cmd *exec.Cmd, path string, closeDir func(), err error) {
	cmd = exec.CommandContext(ctx, filepath.Join(b.dir, program))
	path, closeDir, err = pathFor(cmd, acc, dir)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: acc,
		Setpgid:    true, // Ctrl-C in a terminal is for us: we stop the server in our order
	}
	cmd.WaitDelay = stopGrace
	return cmd, path, closeDir, err
}

// awaitOrphan deals with a server whose owner was killed. The lock is ours, so
// nobody owns it: the kernel has told it to quit already (Linux), or we do.
func (f *folder) awaitOrphan(ctx context.Context) error {
	asked := time.NewTimer(orphanGrace)
	defer asked.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		pid, ok := f.orphan()
		if !ok {
			return f.unlock()
		}
		select {
		case <-tick.C:
		case <-asked.C:
			if err := syscall.Kill(pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("stop the PostgreSQL server %d left in %s: %w", pid, f.path, err)
			}
		case <-ctx.Done():
			return fmt.Errorf("the PostgreSQL server %d left in %s doesn't stop: %w", pid, f.path, ctx.Err())
		}
	}
}

// orphan is the process id in postmaster.pid, if that process lives and is a
// PostgreSQL server. A file that names another program (ids are used again, quickly
// so in containers) is removed: PostgreSQL itself would take that program for its
// predecessor and refuse to start.
func (f *folder) orphan() (int, bool) {
	pid, err := strconv.Atoi(f.pidFile()[0])
	if err != nil || pid <= 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0, false // PostgreSQL finds that out, too, and checks its shared memory
	}
	if isServer(pid) {
		return pid, true
	}
	// A failure to remove shows at the start, in PostgreSQL's own words.
	_ = os.Remove(filepath.Join(f.cluster(), "postmaster.pid"))
	return 0, false
}

// unlock removes what a server that is no more has left of its socket: it outlives a
// reboot, and if another process has its id by then, or the dead one is still a zombie,
// PostgreSQL takes that for a server and refuses to start.
func (f *folder) unlock() error {
	for _, name := range []string{socketFile, socketFile + ".lock"} {
		if err := os.Remove(filepath.Join(f.cluster(), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what a dead server left: %w", err)
		}
	}
	return nil
}

// ready reports whether the server with this process id accepts connections.
func (f *folder) ready(pid int) bool {
	const statusLine = 7
	lines := f.pidFile()
	return len(lines) > statusLine && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[statusLine]) == "ready"
}

// pidFile is the lines of postmaster.pid; one that is empty if there is none.
func (f *folder) pidFile() []string {
	raw, err := os.ReadFile(filepath.Join(f.cluster(), "postmaster.pid"))
	if err != nil {
		raw = nil
	}
	return strings.Split(string(raw), "\n")
}
