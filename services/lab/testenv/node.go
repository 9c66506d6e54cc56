package testenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/chorus-cast/chorus/services/lab/debian"
)

const lockEvery = 100 * time.Millisecond

// programs returns node and npm, and gets them from Debian if they are missing
// and that is allowed.
func programs(ctx context.Context) (node, npm string, err error) {
	if node, npm, err = installed(); err == nil {
		return node, npm, nil
	}

	if failed := debian.Install(ctx, "nodejs", "npm"); failed != nil {
		return "", "", fmt.Errorf("this test needs Node.js 18 or newer with npm: install them "+
			"(apt-get install nodejs npm, brew install node): %w: %w", err, failed)
	}

	return installed()
}

func installed() (node, npm string, err error) {
	node, errNode := exec.LookPath("node")
	npm, errNpm := exec.LookPath("npm")

	return node, npm, errors.Join(errNode, errNpm)
}

// Node returns the program node, and a folder node_modules with the packages that
// package-lock.json in dir pins. It installs what is missing, which takes minutes at worst,
// once for each machine and state of that file.
func Node(ctx context.Context, dir string) (node, modules string, err error) {
	node, npm, err := programs(ctx)
	if err != nil {
		return "", "", err
	}
	modules, err = library(ctx, npm, dir)
	return node, modules, err
}

// library returns the folder node_modules with what package-lock.json pins. It
// is kept in the user's cache, one for each state of that file.
func library(ctx context.Context, npm, from string) (string, error) {
	pinned, err := os.ReadFile(filepath.Join(from, "package-lock.json"))
	if err != nil {
		return "", fmt.Errorf("read what is pinned: %w", err)
	}

	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache: %w", err)
	}

	sum := sha256.Sum256(pinned)
	dir := filepath.Join(cache, "chorus", "node-"+hex.EncodeToString(sum[:8]))
	modules, complete := filepath.Join(dir, "node_modules"), filepath.Join(dir, "complete")

	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}

	lock := flock.New(filepath.Join(dir, "lock"))
	if _, err := lock.TryLockContext(ctx, lockEvery); err != nil {
		return "", fmt.Errorf("wait for another process that installs it: %w", err)
	}
	defer lock.Close()

	if _, err := os.Stat(complete); err == nil {
		return modules, nil
	}

	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return "", fmt.Errorf("read %s: %w", name, err)
		}

		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return "", fmt.Errorf("copy %s: %w", name, err)
		}
	}

	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir

	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %s", err, out)
	}

	if err := os.WriteFile(complete, nil, 0o600); err != nil {
		return "", fmt.Errorf("mark it as installed: %w", err)
	}
	return modules, nil
}
