package redisd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Patience is how long Ensure may well take: it gets 2 MB, but package lists of
// 10 MB.
const Patience = 5 * time.Minute

// Program is a Redis server that can be run: an executable and where its
// libraries are, if not in the system's folders.
type Program struct {
	path      string
	libraries string
}

// Ensure returns the installed Redis, or the one in the cache of downloads, and
// gets one if there is neither.
func Ensure(ctx context.Context) (Program, error) {
	if path, err := exec.LookPath("redis-server"); err == nil {
		return Program{path: path}, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Program{}, missing(err)
	}
	return cachedRedis(ctx, filepath.Join(cache, "chorus"))
}

// cachedRedis unpacks Debian's packages of Redis below the folder rather than
// installing them: that needs no rights, and starts no server on port 6379.
func cachedRedis(ctx context.Context, cache string) (Program, error) {
	if err := os.MkdirAll(cache, 0o750); err != nil {
		return Program{}, missing(err)
	}
	lock := flock.New(filepath.Join(cache, "redis.lock"))
	if _, err := lock.TryLockContext(ctx, pollEvery); err != nil {
		return Program{}, missing(fmt.Errorf("wait for another process that gets it: %w", err))
	}
	program, err := unpackRedis(ctx, filepath.Join(cache, "redis"))
	if err := errors.Join(err, lock.Unlock()); err != nil {
		return Program{}, missing(err)
	}
	return program, nil
}

func missing(err error) error {
	return fmt.Errorf("redis-server isn't installed and can't be got: "+
		"install it (apt-get install redis-server, brew install redis): %w", err)
}

func unpackRedis(ctx context.Context, dir string) (Program, error) {
	if program, err := redisIn(ctx, dir); err == nil {
		return program, nil
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "unpacking-")
	if err != nil {
		return Program{}, err
	}
	defer os.RemoveAll(temp)
	// The system's package lists may be absent or too old: then we get our own.
	if err := downloadPackages(ctx, temp, nil); err != nil {
		own := []string{
			"-o", "Dir::State::Lists=" + filepath.Join(temp, "lists"),
			"-o", "Dir::Cache=" + filepath.Join(temp, "cache"),
			"-o", "Debug::NoLocking=1",
		}
		if _, updateErr := aptGet(ctx, temp, append(own, "update")...); updateErr != nil {
			return Program{}, errors.Join(err, updateErr)
		}
		if err := downloadPackages(ctx, temp, own); err != nil {
			return Program{}, err
		}
	}
	debs, err := filepath.Glob(filepath.Join(temp, "*.deb"))
	if err != nil {
		return Program{}, err
	}
	root := filepath.Join(temp, "root")
	for _, deb := range debs {
		if _, err := run(ctx, temp, "dpkg", "-x", deb, root); err != nil {
			return Program{}, err
		}
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(root, dir)); err != nil {
		return Program{}, err
	}
	return redisIn(ctx, dir)
}

// downloadPackages gets redis-server and what it needs that isn't installed.
func downloadPackages(ctx context.Context, dir string, options []string) error {
	out, err := aptGet(ctx, dir, append(options, "install", "--print-uris", "-qq", "-y", "--no-install-recommends", "redis-server")...)
	if err != nil {
		return err
	}
	names := packageNames(out)
	if len(names) == 0 {
		return errors.New("apt knows no package to download for redis-server")
	}
	_, err = aptGet(ctx, dir, append(append(options, "-q", "download"), names...)...)
	return err
}

// packageNames reads lines such as
//
//	'http://deb.debian.org/…/redis-tools_7.0.15-1_amd64.deb' redis-tools_5%3a7.0.15-1_amd64.deb 989712 SHA256:…
func packageNames(printed string) []string {
	var names []string
	for line := range strings.Lines(printed) {
		fields := strings.Fields(line)
		const nameField = 1
		if !strings.HasPrefix(line, "'") || len(fields) <= nameField {
			continue
		}
		name, _, _ := strings.Cut(fields[nameField], "_")
		names = append(names, name)
	}
	return names
}

// redisIn looks for a Redis that runs below an unpacked root folder.
func redisIn(ctx context.Context, root string) (Program, error) {
	libraries, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu*"))
	if err != nil {
		return Program{}, err
	}
	program := Program{
		path:      filepath.Join(root, "usr", "bin", "redis-server"),
		libraries: strings.Join(libraries, ":"),
	}
	cmd := exec.CommandContext(ctx, program.path, "--version")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+program.libraries)
	if out, err := cmd.CombinedOutput(); err != nil {
		return Program{}, fmt.Errorf("run %s: %w: %s", program.path, err, out)
	}
	return program, nil
}

func aptGet(ctx context.Context, dir string, args ...string) (string, error) {
	return run(ctx, dir, "apt-get", args...)
}

func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}
