package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// User is somebody who may use the console.
type User struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Role      string    `json:"role" doc:"owner, admin, director, editor or viewer"`
	Disabled  bool      `json:"disabled"`
	Password  bool      `json:"password" doc:"there is one"`
	Codes     bool      `json:"codes" doc:"a code of an authenticator is asked for after the password"`
	Passkeys  int       `json:"passkeys"`
	Provider  bool      `json:"provider" doc:"logs in at the identity provider"`
	CreatedAt time.Time `json:"created_at"`
	ETag      string    `json:"etag,omitempty" db:"-" doc:"for If-Match, when the role is changed or the user is disabled"`
}

// state names the part of a user that admins change.
func (u *User) state() string {
	if u.Disabled {
		return u.Role + ", disabled"
	}
	return u.Role
}

const (
	userColumns = `u.id, u.name, u.role, u.disabled_at IS NOT NULL, u.password_hash IS NOT NULL, u.totp_sealed IS NOT NULL,
    (SELECT count(*) FROM user_passkeys p WHERE p.user_id = u.id)::integer, u.oidc_subject IS NOT NULL AND u.oidc_ended_at IS NULL, u.created_at`
	listUsers = `-- console: users
SELECT ` + userColumns + ` FROM users u WHERE u.id > $1 ORDER BY u.id LIMIT $2`
	readUser = `-- console: user
SELECT ` + userColumns + ` FROM users u WHERE u.id = $1`
	// lockOwners serialises changes of owners.
	lockOwners = `-- console: lock owners
SELECT id FROM users WHERE role = 'owner' ORDER BY id FOR UPDATE`
	countOwners = `-- console: count owners
SELECT count(*) FROM users WHERE role = 'owner' AND disabled_at IS NULL`
	changeUser = `-- console: change a user
UPDATE users SET role = $2, disabled_at = CASE WHEN NOT $3 THEN NULL ELSE coalesce(disabled_at, now()) END WHERE id = $1`
	removeUser = `-- console: remove a user
DELETE FROM users WHERE id = $1`
	endSessions = `-- console: end sessions
DELETE FROM sessions WHERE user_id = $1 AND token <> $2`
	// Those that a user's tokens have made, too: their names begin with the user's.
	dropLinks = `-- console: drop links of and for a user
DELETE FROM user_invitations WHERE user_id = $1 OR invited_by = $2 OR starts_with(invited_by, $2 || '/')`
	addUser = `-- console: add a user
INSERT INTO users (name, role, password_hash, oidc_subject) VALUES ($1, $2, $3, $4) RETURNING id`
)

// users reads those after an id.
func (a *Area) users(ctx context.Context, after int64, limit int) ([]User, error) {
	return store.Collect(ctx, a.Pool, "read users", pgx.RowToStructByPos[User], listUsers, after, limit)
}

func user(ctx context.Context, db store.Querier, id int64) (User, error) {
	found, err := store.Collect(ctx, db, "read a user", pgx.RowToStructByPos[User], readUser, id)
	if err != nil {
		return User{}, err
	}
	if len(found) == 0 {
		return User{}, fmt.Errorf("user %d: %w", id, operation.ErrNotFound)
	}
	return found[0], nil
}

// mayRule is an error unless somebody may change a user of a role, or make one: admins
// rule those below them, owners everybody.
func mayRule(who *access.Principal, role access.Role) error {
	if role >= access.Admin && who.Role < access.Owner {
		return fmt.Errorf("%w: only an owner makes or changes an %s", access.ErrForbidden, role)
	}
	return nil
}

// change is the new state of a user.
type change struct {
	role     access.Role
	disabled bool
	removed  bool
}

// errLastOwner says why somebody must stay.
var errLastOwner = errors.New("the last owner stays one: make somebody else an owner first")

// alter changes a user, if the caller may, and returns the state before and after. The last
// owner can't lose the role. A user who is disabled or gets another role is logged out, and
// the links that they made, or that were made for them, stop working.
func (a *Area) alter(ctx context.Context, id int64, become func(User) (change, error)) (before, after User, err error) {
	who := access.From(ctx)
	err = store.InTx(ctx, a.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockOwners); err != nil {
			return err
		}
		if before, err = user(ctx, tx, id); err != nil {
			return err
		}
		after = before
		role, err := access.ParseRole(before.Role)
		if err != nil {
			return err
		}
		c, err := become(before)
		if err != nil {
			return err
		}
		if err := errors.Join(mayRule(who, role), mayRule(who, c.role)); err != nil {
			return err
		}
		if c.removed {
			_, err = tx.Exec(ctx, removeUser, id)
		} else {
			after.Role, after.Disabled = c.role.String(), c.disabled
			_, err = tx.Exec(ctx, changeUser, id, c.role.String(), c.disabled)
		}
		if err != nil {
			return err
		}
		var owners int
		if err := tx.QueryRow(ctx, countOwners).Scan(&owners); err != nil {
			return err
		}
		if owners == 0 && role == access.Owner {
			return operation.Invalid(errLastOwner)
		}
		_, err = tx.Exec(ctx, endSessions, id, "")
		return errors.Join(err, exec(ctx, tx, dropLinks, id, before.Name))
	})
	return before, after, err
}

func exec(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	_, err := tx.Exec(ctx, sql, args...)
	return err
}

const longestName = 64

// acceptableName is an error unless a name can be a user's. A slash stands before the names
// of tokens, so it can't be in them.
func acceptableName(name string) error {
	n := utf8.RuneCountInString(name)
	if n == 0 || n > longestName || strings.TrimSpace(name) != name || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '/' || r == 0x7f }) {
		return &operation.InvalidError{Field: "name", Value: fmt.Sprintf("%.80q", name), Want: "1 to 64 characters, none of them a slash"}
	}
	return nil
}

// insert adds a user.
func insert(ctx context.Context, tx pgx.Tx, name, role string, hash, subject pgtype.Text) (id int64, err error) {
	err = tx.QueryRow(ctx, addUser, name, role, hash, subject).Scan(&id)
	var taken *pgconn.PgError
	if errors.As(err, &taken) && taken.Code == "23505" {
		return 0, operation.Invalid(fmt.Errorf("name: %q is taken, want another one", name))
	}
	return id, err
}
