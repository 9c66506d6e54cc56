package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that the server runs as. PostgreSQL refuses to run as
// root, so root hands it to another one; any other user keeps it.
type account struct {
	name     string
	uid, gid uint32
	switched bool // from root
}

// defaultAccount is for a new data folder: the current user, or in root's case
// the user of the system's own PostgreSQL, else nobody.
func defaultAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return account{}, fmt.Errorf("user %s: %w", name, err)
		}
		return account{name: name, uid: uint32(uid), gid: uint32(gid), switched: true}, nil
	}
	return account{}, errors.New("PostgreSQL can't run as root and there is neither a user postgres nor nobody: add one or run as an ordinary user")
}

// accountOf is for a data folder that may exist: its owner, because PostgreSQL
// accepts no other.
func accountOf(cluster string) (account, error) {
	info, err := os.Stat(cluster)
	if errors.Is(err, fs.ErrNotExist) {
		return defaultAccount()
	}
	if err != nil {
		return account{}, fmt.Errorf("look at the data folder: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return account{}, fmt.Errorf("can't tell who owns %s", cluster)
	}
	uid := os.Geteuid()
	switch {
	case int(stat.Uid) == uid && uid != 0:
		return account{}, nil
	case uid != 0:
		return account{}, fmt.Errorf("the data folder %s belongs to user %d, not to you: run as that user or as root, or choose another folder", cluster, stat.Uid)
	case stat.Uid == 0:
		return account{}, fmt.Errorf("the data folder %s belongs to root, as which PostgreSQL can't run: "+
			"give it to another user (chown -R) or choose another folder", cluster)
	}
	return account{uid: stat.Uid, gid: stat.Gid, switched: true}, nil
}

// credential is nil where the current user is kept.
func (a account) credential() *syscall.Credential {
	if !a.switched {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// give makes the account the owner of a folder that the current user made.
func (a account) give(path string) error {
	if !a.switched {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to user %d: %w", path, a.uid, err)
	}
	return nil
}
