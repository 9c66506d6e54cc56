package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// LoadOrCreateKeyFile reads the keys in a file, or makes the file with one new
// key. The file is readable by its owner only, and one that others can read is
// refused. Two processes that create it at once get the same key, and a crash
// leaves no half-written file.
func LoadOrCreateKeyFile(path string) (Keyring, error) {
	ring, err := loadKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	if err := createKeyFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return Keyring{}, fmt.Errorf("create key file %s: %w", path, err)
	}
	return loadKeyFile(path)
}

func loadKeyFile(path string) (Keyring, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Keyring{}, fmt.Errorf("read key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Keyring{}, fmt.Errorf("key file %s can be read by others: chmod 600 %s", path, path)
	}
	text, err := readSmall(path)
	if err != nil {
		return Keyring{}, fmt.Errorf("read key file: %w", err)
	}
	ring, err := ParseKeys(text)
	if err != nil {
		return Keyring{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return ring, nil
}

// createKeyFile writes beside the file and links it into place: unlike a
// rename, that never replaces the key of another process.
func createKeyFile(path string) (err error) {
	key, err := NewKey()
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".key-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(key.Reveal() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
