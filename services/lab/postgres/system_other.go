//go:build !linux

package postgres

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is sizeof(sockaddr_un.sun_path) less the final zero, on BSD.
const maxSocketPath = 103

// isServer reports whether the process runs PostgreSQL.
func isServer(pid int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.HasSuffix(strings.TrimSpace(string(out)), "postgres")
}

// pathFor returns a path of dir for a program that runs as acc: the account
// needs access to all folders above it.
func pathFor(_ *exec.Cmd, _ *syscall.Credential, dir string) (path string, closeDir func(), err error) {
	return dir, func() {}, nil
}
