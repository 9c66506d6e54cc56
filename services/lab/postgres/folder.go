package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// folder is what Config.DataDir names:
//
//	lock      held by the process that owns the server; says who is alive
//	cluster/  PostgreSQL's own data, of mode 0700
type folder struct {
	path string
	lock *flock.Flock
}

const (
	lockName    = "lock"
	clusterName = "cluster"
	// newPattern names a cluster that initdb is making; it is renamed when
	// complete, so that a kill in the middle leaves nothing half-made behind.
	newPattern = "new-*"
)

// pollEvery is how often a state that another process changes is looked at.
const pollEvery = 20 * time.Millisecond

func (f *folder) cluster() string { return filepath.Join(f.path, clusterName) }

// Major is the version of the PostgreSQL that made the data folder, 0 if there
// is nothing in it yet.
func Major(dataDir string) (int, error) {
	raw, err := os.ReadFile(filepath.Join(dataDir, clusterName, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the data folder's version: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0, fmt.Errorf("read the data folder's version: %w", err)
	}
	return major, nil
}

// openFolder waits until a predecessor that is still shutting down has let go,
// until ctx is done.
func openFolder(ctx context.Context, dataDir string) (*folder, error) {
	path, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dataDir, err)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	lock := flock.New(filepath.Join(path, lockName))
	if _, err := lock.TryLockContext(ctx, pollEvery); err != nil {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return nil, fmt.Errorf("the data folder %s is in use by another process: stop it or choose another folder: %w", path, err)
		}
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	return &folder{path: path, lock: lock}, nil
}

func (f *folder) close() error {
	if err := f.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock the data folder: %w", err)
	}
	return nil
}

// awaitOrphan deals with a server whose owner was killed. The lock is ours, so
// nobody owns it: the kernel has told it to quit already (Linux), or we do.
func (f *folder) awaitOrphan(ctx context.Context) error {
	asked := time.NewTimer(orphanGrace)
	defer asked.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		pid, ok := f.postmaster()
		if !ok {
			return nil
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

// postmaster is the process id in postmaster.pid, if that process lives and is
// a PostgreSQL server in this folder. A file that names another program (ids
// are used again, quickly so in containers) is removed: PostgreSQL itself would
// take that program for its predecessor and refuse to start.
func (f *folder) postmaster() (int, bool) {
	path := filepath.Join(f.cluster(), "postmaster.pid")
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || pid <= 0 {
		return 0, false
	}
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0, false // PostgreSQL finds that out, too, and checks its shared memory
	}
	if isServer(pid) {
		return pid, true
	}
	// A failure to remove shows at the start, in PostgreSQL's own words.
	_ = os.Remove(path)
	return 0, false
}

// ready reads the line of postmaster.pid that says whether the server with this
// process id takes connections.
func (f *folder) ready(pid int) bool {
	raw, err := os.ReadFile(filepath.Join(f.cluster(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(raw), "\n")
	const statusLine = 7
	return len(lines) > statusLine &&
		lines[0] == strconv.Itoa(pid) &&
		strings.TrimSpace(lines[statusLine]) == "ready"
}
