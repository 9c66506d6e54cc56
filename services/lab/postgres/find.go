package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

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
