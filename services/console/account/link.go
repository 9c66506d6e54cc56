package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/account/credential"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

//nolint:gosec // statements, no secrets
const (
	// LinkFor is the lifetime of a link from the first start or the terminal, invitedFor that
	// of an invitation.
	LinkFor, invitedFor = 24 * time.Hour, 72 * time.Hour

	// A new start makes the link of the one before useless.
	firstLink = `-- console: first link
WITH ended AS (DELETE FROM user_invitations WHERE invited_by = '')
INSERT INTO user_invitations (token_hash, role, invited_by, expires_at) SELECT $1, 'owner', '', $2 WHERE NOT EXISTS (SELECT FROM users)`
	addLink = `-- console: add a link
INSERT INTO user_invitations (token_hash, role, invited_by, expires_at, user_id) VALUES ($1, $2, $3, $4, $5)`
	takeLink = `-- console: take a link
DELETE FROM user_invitations WHERE token_hash = $1 AND expires_at > $2 AND (invited_by <> '' OR NOT EXISTS (SELECT FROM users))
RETURNING role, coalesce(user_id, 0)`
	renewLogin = `-- console: renew a login
UPDATE users SET password_hash = $2, totp_sealed = NULL, oidc_ended_at = now() WHERE id = $1`
	removePasskeys = `-- console: remove passkeys
DELETE FROM user_passkeys WHERE user_id = $1`
	removeTokens = `-- console: remove tokens
DELETE FROM user_tokens WHERE user_id = $1`
)

// join is the path of links. Browsers don't send the part after # to servers, so no log has
// it.
const join = "/join#"

// FirstLink makes the link with which the first owner makes an account, as a path of the
// console; "" where there are users already. It ends the one before.
func (a *Area) FirstLink(ctx context.Context) (string, error) {
	token := credential.New("")
	tag, err := a.Pool.Exec(ctx, firstLink, credential.Sum(token), a.Now().Add(LinkFor))
	if err != nil {
		return "", fmt.Errorf("make the first link: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return "", nil
	}
	return join + token, nil
}

// Invite makes a link for a new user of a role, as a path of the console. It is for who has
// the database anyway, and asks nobody.
func Invite(ctx context.Context, pool *pgxpool.Pool, role access.Role, by string, until time.Time) (string, error) {
	return link(ctx, pool, role, by, until, 0)
}

// link makes a link for a new user of a role, or one that sets a user's login anew.
func link(ctx context.Context, pool *pgxpool.Pool, role access.Role, by string, until time.Time, user int64) (string, error) {
	token := credential.New("")
	if _, err := pool.Exec(ctx, addLink, credential.Sum(token), role.String(), by, until, pgtype.Int8{Int64: user, Valid: user != 0}); err != nil {
		return "", fmt.Errorf("make a link: %w", err)
	}
	return join + token, nil
}

// errLink tells nothing of why.
var errLink = errors.New("this link does not work: it was used, it is too old, or it is not all there; ask for a new one")

// takeUp uses a link: it makes a user with a name and a password, or sets a user's login
// anew. Who has that user's account now is logged out then, and comes in by nothing that was
// set up before, an identity provider neither.
func (a *Area) takeUp(ctx context.Context, token, name, password string) (id int64, err error) {
	if err := acceptableName(name); err != nil {
		return 0, err
	}
	if err := credential.Acceptable(password, name); err != nil {
		return 0, operation.Invalid(err)
	}
	hash, err := a.hasher.Hash(ctx, password)
	if err != nil {
		return 0, err
	}
	err = store.InTx(ctx, a.Pool, func(tx pgx.Tx) error {
		var role string
		err := tx.QueryRow(ctx, takeLink, credential.Sum(token), a.Now()).Scan(&role, &id)
		if errors.Is(err, pgx.ErrNoRows) {
			return operation.Invalid(errLink)
		}
		if err != nil {
			return err
		}
		if id == 0 {
			id, err = insert(ctx, tx, name, role, pgtype.Text{String: hash, Valid: true}, pgtype.Text{})
			return err
		}
		known, err := user(ctx, tx, id)
		if err != nil {
			return err
		}
		if known.Disabled {
			return operation.Invalid(errLink)
		}
		if known.Name != name {
			return operation.Invalid(fmt.Errorf("name: %q, want %q, for whom the link is", name, known.Name))
		}
		for _, sql := range []string{removePasskeys, removeTokens} {
			if err := exec(ctx, tx, sql, id); err != nil {
				return err
			}
		}
		return errors.Join(exec(ctx, tx, renewLogin, id, hash), exec(ctx, tx, endSessions, id, ""))
	})
	return id, err
}
