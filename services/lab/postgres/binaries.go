package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// The oldest and the newest major version that Chorus is tested with.
const (
	OldestMajor = 15
	NewestMajor = 18
)

// ErrNotFound means that none of the looked-at folders has a PostgreSQL that
// fits. Install gets one.
var ErrNotFound = errors.New("no PostgreSQL found")

// probeTimeout bounds `postgres --version`, which takes 10 ms.
const probeTimeout = 10 * time.Second

// Binaries is an installed PostgreSQL server.
type Binaries struct {
	Dir   string // has initdb and postgres
	Major int
}

func (b Binaries) initdb() string   { return filepath.Join(b.Dir, "initdb") }
func (b Binaries) postgres() string { return filepath.Join(b.Dir, "postgres") }

// Locations is where PostgreSQL is looked for and where downloads go.
type Locations struct {
	Globs []string // patterns of folders that may have the programs
	Cache string   // our own downloads; empty: none can be made
}

// Usual are the folders of Debian's, Red Hat's, Alpine's and Homebrew's
// packages, of Postgres.app, of a build from source, those in PATH, and the
// cache of earlier downloads.
func Usual() Locations {
	cache := cacheDir()
	globs := []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/libexec/postgresql*",
		"/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		globs = append(globs, filepath.Dir(path))
	}
	return Locations{Globs: globs, Cache: cache}
}

// cacheDir is the user's, but root's own is in a folder that no other user may
// enter, and the server has to run as one.
func cacheDir() string {
	if os.Geteuid() == 0 {
		return "/var/cache/chorus"
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "chorus")
}

// Find returns the newest fitting PostgreSQL, or the one of the given major
// version if major isn't 0. It returns ErrNotFound if there is none.
func (l Locations) Find(ctx context.Context, major int) (Binaries, error) {
	all, err := l.all(ctx)
	if err != nil {
		return Binaries{}, err
	}
	for _, b := range all {
		if major == 0 || b.Major == major {
			return b, nil
		}
	}
	return Binaries{}, ErrNotFound
}

// all lists what runs here, newest first.
func (l Locations) all(ctx context.Context) ([]Binaries, error) {
	globs := slices.Clone(l.Globs)
	if l.Cache != "" {
		globs = append(globs, filepath.Join(l.Cache, "postgres-*", "bin"))
	}
	var found []Binaries
	seen := map[string]bool{}
	for _, glob := range globs {
		dirs, err := filepath.Glob(glob)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", glob, err)
		}
		for _, dir := range dirs {
			folder, ok := serverDir(dir)
			if !ok || seen[folder] {
				continue
			}
			seen[folder] = true
			major, err := probe(ctx, folder)
			if err == nil && major >= OldestMajor && major <= NewestMajor {
				found = append(found, Binaries{Dir: folder, Major: major})
			}
			if ctx.Err() != nil {
				return nil, fmt.Errorf("look for PostgreSQL: %w", ctx.Err())
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Binaries) int { return cmp.Compare(b.Major, a.Major) })
	return found, nil
}

// serverDir follows links such as /usr/local/bin/postgres to the folder that
// has all programs.
func serverDir(dir string) (string, bool) {
	path, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return "", false
	}
	dir = filepath.Dir(path)
	_, err = os.Stat(filepath.Join(dir, "initdb"))
	return dir, err == nil
}

// probe runs the server program as the account that it will serve under, which
// proves that it can be reached and executed.
func probe(ctx context.Context, dir string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	acc, err := defaultAccount()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, Binaries{Dir: dir}.postgres(), "--version")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: acc.credential()}
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("run %s --version: %w", cmd.Path, err)
	}
	return parseMajor(string(out))
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// parseMajor reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
func parseMajor(line string) (int, error) {
	match := versionPattern.FindStringSubmatch(line)
	if match == nil {
		return 0, fmt.Errorf("not a PostgreSQL version: %q", line)
	}
	major, err := strconv.Atoi(match[1])
	if err != nil {
		return 0, fmt.Errorf("not a PostgreSQL version: %q", line)
	}
	return major, nil
}
