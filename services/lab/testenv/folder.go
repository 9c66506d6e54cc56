package testenv

import (
	"os"
	"syscall"
	"testing"
)

// Folder is a new folder for what a server writes, in memory where the system has
// room for that: some disks are slow, and all cost the processor. It is removed when
// the test ends.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(base(), "chorus-test-*")
	if err != nil {
		t.Fatalf("make a folder: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove a folder: %v", err)
		}
	})
	return dir
}

// base is where folders are made.
func base() string {
	const (
		memory = "/dev/shm"
		room   = 2 << 30 // a container often has 64 MB
	)
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < room { //nolint:gosec // it is positive
		return os.TempDir()
	}
	return memory
}
