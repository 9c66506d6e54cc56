// Package debian finds programs of Debian packages for tests and for the load lab: installed ones,
// or else packages that it unpacks below the download cache.
package debian

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

// Patience is the time that callers should give Ensure: packages have some megabytes, and
// lists of packages some more.
const Patience = 5 * time.Minute

// pollEvery is the interval at which a lock of another process is tried.
const pollEvery = 5 * time.Millisecond

// Program is an executable and the folders of its libraries, if these aren't in the system's
// folders.
type Program struct {
	path      string
	libraries string
}

// Command returns a command that runs the program. Its process isn't tied to this call; the
// caller must end it.
func (p Program) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.path, args...) //nolint:noctx // as promised
	cmd.Env = os.Environ()
	if p.libraries != "" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+p.libraries)
	}
	return cmd
}

// Ensure returns the program of a package, such as usr/bin/redis-server of redis-server. It takes
// the installed one or the one in the download cache, and downloads it if there is neither.
func Ensure(ctx context.Context, pkg, program string) (Program, error) {
	if path, err := exec.LookPath(filepath.Base(program)); err == nil {
		return Program{path: path}, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Program{}, missing(pkg, err)
	}
	return cached(ctx, filepath.Join(cache, "chorus"), pkg, program)
}

// cached unpacks Debian packages below the folder instead of installing them. Unpacking needs no
// rights and starts no server on a port that others may want.
func cached(ctx context.Context, cache, pkg, program string) (Program, error) {
	// Programs that refuse to run as root are run as somebody else, who reads them here.
	if err := os.MkdirAll(cache, 0o755); err != nil { //nolint:gosec // as said
		return Program{}, missing(pkg, err)
	}
	lock := flock.New(filepath.Join(cache, pkg+".lock"))
	if _, err := lock.TryLockContext(ctx, pollEvery); err != nil {
		return Program{}, missing(pkg, fmt.Errorf("wait for another process that gets it: %w", err))
	}
	found, err := unpack(ctx, filepath.Join(cache, pkg), pkg, program)
	if err := errors.Join(err, lock.Unlock()); err != nil {
		return Program{}, missing(pkg, err)
	}
	return found, nil
}

// Install installs packages for the whole system; only root may do so. It waits for other
// installations.
func Install(ctx context.Context, pkgs ...string) error {
	options := []string{"-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"}
	// Old package lists may suffice, so an error of the update alone is ignored.
	_, updateErr := aptGet(ctx, "/", append(options, "update")...)
	if _, err := aptGet(ctx, "/", append(append(options, "install", "-y", "--no-install-recommends"), pkgs...)...); err != nil {
		return errors.Join(updateErr, err)
	}
	return nil
}

func missing(pkg string, err error) error {
	return fmt.Errorf("%[1]s isn't installed and can't be got: install it (apt-get install %[1]s): %[2]w", pkg, err)
}

func unpack(ctx context.Context, dir, pkg, program string) (Program, error) {
	if found, err := in(ctx, dir, program); err == nil {
		return found, nil
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "unpacking-")
	if err != nil {
		return Program{}, err
	}
	defer os.RemoveAll(temp)
	// The system's package lists may be absent or too old: then we get our own.
	if err := download(ctx, temp, pkg, nil); err != nil {
		own := []string{
			"-o", "Dir::State::Lists=" + filepath.Join(temp, "lists"),
			"-o", "Dir::Cache=" + filepath.Join(temp, "cache"),
			"-o", "Debug::NoLocking=1",
		}
		if _, updateErr := aptGet(ctx, temp, append(own, "update")...); updateErr != nil {
			return Program{}, errors.Join(err, updateErr)
		}
		if err := download(ctx, temp, pkg, own); err != nil {
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
	return in(ctx, dir, program)
}

// download gets a package and what it needs that isn't installed.
func download(ctx context.Context, dir, pkg string, options []string) error {
	out, err := aptGet(ctx, dir, append(options, "install", "--print-uris", "-qq", "-y", "--no-install-recommends", pkg)...)
	if err != nil {
		return err
	}
	names := packageNames(out)
	if len(names) == 0 {
		return fmt.Errorf("apt knows no package to download for %s", pkg)
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

// in looks for a program that runs below an unpacked root folder.
func in(ctx context.Context, root, program string) (Program, error) {
	libraries, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu*"))
	if err != nil {
		return Program{}, err
	}
	found := Program{path: filepath.Join(root, program), libraries: strings.Join(libraries, ":")}
	cmd := exec.CommandContext(ctx, found.path, "--version")
	cmd.Env = found.Command().Env
	if out, err := cmd.CombinedOutput(); err != nil {
		return Program{}, fmt.Errorf("run %s: %w: %s", found.path, err, out)
	}
	return found, nil
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
