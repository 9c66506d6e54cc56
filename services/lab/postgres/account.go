package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"syscall"
)

// defaultAccount is the account of the server on a new data folder: nil for the
// current user. PostgreSQL refuses to run as root, so root hands it to the user of
// the system's own PostgreSQL, else to nobody.
func defaultAccount() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // as described
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		var acc syscall.Credential
		if _, err := fmt.Sscan(u.Uid+" "+u.Gid, &acc.Uid, &acc.Gid); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &acc, nil
	}
	return nil, errors.New("PostgreSQL can't run as root and there is neither a user postgres nor nobody: add one or run as an ordinary user")
}

// accountOf is the account for a data folder that may exist: its owner, because
// PostgreSQL accepts no other.
func accountOf(cluster string) (*syscall.Credential, error) {
	var stat syscall.Stat_t
	err := syscall.Stat(cluster, &stat)
	uid := os.Geteuid()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return defaultAccount()
	case err != nil:
		return nil, fmt.Errorf("look at the data folder: %w", err)
	case uid != 0 && int(stat.Uid) == uid:
		return nil, nil //nolint:nilnil // the current user
	case uid != 0:
		return nil, fmt.Errorf("the data folder %s belongs to user %d, not to you: run as that user or as root, or choose another folder", cluster, stat.Uid)
	case stat.Uid == 0:
		return nil, fmt.Errorf("the data folder %s belongs to root, as which PostgreSQL can't run: "+
			"give it to another user (chown -R) or choose another folder", cluster)
	}
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}, nil
}

// give makes the account the owner of a folder that the current user made.
func give(path string, acc *syscall.Credential) error {
	if acc == nil {
		return nil
	}
	if err := os.Chown(path, int(acc.Uid), int(acc.Gid)); err != nil {
		return fmt.Errorf("give %s to user %d: %w", path, acc.Uid, err)
	}
	return nil
}
