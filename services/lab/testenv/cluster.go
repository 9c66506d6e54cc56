package testenv

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/lab/postgres"
)

// template is the migrated database that tests get copies of.
const template = "migrated"

const (
	clusterPattern = "cluster-*"
	keepUnused     = 24 * time.Hour
)

// startPostgres starts a PostgreSQL on a copy of the prepared cluster. To make and
// migrate one takes five seconds of a core, a copy a tenth of one.
func startPostgres(ctx context.Context, dir string, settings map[string]string) (*postgres.Server, error) {
	if err := copyCluster(ctx, dir); err != nil {
		return nil, fmt.Errorf("copy the prepared cluster: %w", err)
	}
	return postgres.Start(ctx, volatile(dir, settings))
}

func volatile(dir string, settings map[string]string) postgres.Config {
	return postgres.Config{DataDir: dir, Log: zap.NewNop(), Volatile: true, Settings: settings}
}

// copyCluster copies the prepared cluster into a folder. The first test binary prepares it, in
// the user's cache, once for each state of the schema.
func copyCluster(ctx context.Context, to string) error {
	from, err := clusterPath(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(from), 0o755); err != nil {
		return err
	}
	lock := flock.New(from + ".lock")
	if _, err := lock.TryLockContext(ctx, lockEvery); err != nil {
		return fmt.Errorf("wait for another process that makes it: %w", err)
	}
	defer lock.Close()
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		if err := prepareCluster(ctx, from); err != nil {
			return err
		}
	}
	now := time.Now()
	if err := os.Chtimes(from, now, now); err != nil {
		return err
	}
	return copyFolder(ctx, filepath.Join(from, "cluster"), to)
}

// clusterPath names the prepared cluster after all that it is made from.
func clusterPath(ctx context.Context) (string, error) {
	major, err := postgres.Install(ctx, zap.NewNop())
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, major)
	err = fs.WalkDir(migrations.Files(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations.Files(), path)
		fmt.Fprintf(sum, "%s %d %s", path, len(text), text)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the migrations: %w", err)
	}
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "chorus", fmt.Sprintf("cluster-%x", sum.Sum(nil)[:8])), err
}

// prepareCluster makes a cluster with the template. It gets its name when it is
// complete.
func prepareCluster(ctx context.Context, path string) (err error) {
	if err := removeUnused(filepath.Dir(path)); err != nil {
		return fmt.Errorf("remove old clusters: %w", err)
	}
	dir, err := os.MkdirTemp(base(), dirPattern)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := postgres.Start(ctx, volatile(dir, nil))
	if err != nil {
		return err
	}
	err = server.CreateDatabase(ctx, template)
	if err == nil {
		err = migrations.Up(ctx, server.DSN(template))
	}
	if err := errors.Join(err, server.Stop()); err != nil {
		return err
	}
	incomplete, err := os.MkdirTemp(filepath.Dir(path), clusterPattern)
	if err != nil {
		return err
	}
	if err := copyFolder(ctx, filepath.Join(dir, "cluster"), incomplete); err != nil {
		return err
	}
	return os.Rename(incomplete, path)
}

// copyFolder copies a folder into another, with owners and modes, on which
// PostgreSQL insists.
func copyFolder(ctx context.Context, from, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-Rp", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// removeUnused removes the prepared clusters that nobody has copied for a day.
func removeUnused(cache string) error {
	clusters, err := filepath.Glob(filepath.Join(cache, clusterPattern+"[0-9a-f]")) // not the locks
	for _, path := range clusters {
		if info, failed := os.Stat(path); failed == nil && time.Since(info.ModTime()) > keepUnused {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	return err
}
