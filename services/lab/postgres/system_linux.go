package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// maxSocketPath is sizeof(sockaddr_un.sun_path) less the final zero.
const maxSocketPath = 107

// isServer reports whether the process runs PostgreSQL. The link of a zombie can't be read,
// and a zombie holds no lock.
func isServer(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && filepath.Base(exe) == "postgres"
}

// pathFor returns a path of dir for a program that runs as acc. The account may
// be barred from a folder above dir (/root, a home folder of mode 0700), so the
// program inherits the open folder and names it by its descriptor.
func pathFor(cmd *exec.Cmd, acc *syscall.Credential, dir string) (path string, closeDir func(), err error) {
	if acc == nil {
		return dir, func() {}, nil
	}
	open, err := os.Open(dir)
	if err != nil {
		return "", nil, fmt.Errorf("open the data folder: %w", err)
	}
	cmd.ExtraFiles = []*os.File{open}
	return "/proc/self/fd/3", func() { open.Close() }, nil // the first after the standard ones
}
