package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// maxSocketPath is sizeof(sockaddr_un.sun_path) less the final zero.
const maxSocketPath = 107

// isServer tells whether the process runs PostgreSQL. The link of a zombie
// can't be read: it holds nothing any more.
func isServer(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && filepath.Base(exe) == "postgres"
}

// pathFor returns a path of dir for a program that runs as acc. The account may
// be barred from a folder above dir (/root, a home folder of mode 0700), so the
// program inherits the open folder and names it by its descriptor.
func pathFor(cmd *exec.Cmd, acc account, dir string) (path string, closeDir func(), err error) {
	if !acc.switched {
		return dir, func() {}, nil
	}
	open, err := os.Open(dir)
	if err != nil {
		return "", nil, fmt.Errorf("open the data folder: %w", err)
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, open)
	const firstExtra = 3
	fd := firstExtra + len(cmd.ExtraFiles) - 1
	return fmt.Sprintf("/proc/self/fd/%d", fd), func() { open.Close() }, nil
}
