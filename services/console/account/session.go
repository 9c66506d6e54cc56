package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
)

// The keys of a session's values.
const (
	keyUser    = "user"    // who is logged in
	keySince   = "since"   // when the login was
	keyPending = "pending" // whose password was right, before the code
	keyTries   = "tries"   // codes that were wrong
	keyPasskey = "passkey" // the ceremony under way
	keyCodes   = "codes"   // the authenticator that is set up
	keyOIDC    = "oidc"    // the login at the identity provider that is under way
)

const (
	// It also reads the user, because pages follow one another quickly.
	readSession = `-- console: session
SELECT s.data, least(s.created_at + $2::interval, now() + $3::interval) > s.expiry + interval '1 minute',
    coalesce(u.id, 0), coalesce(u.name, ''), coalesce(u.role, '')
FROM sessions s LEFT JOIN users u ON u.id = s.user_id AND u.disabled_at IS NULL WHERE s.token = $1 AND s.expiry > now()`
	addSession = `-- console: add a session
INSERT INTO sessions (token, data, expiry, user_id, origin) VALUES ($1, $2, least($3, now() + $4::interval), $5, $6)`
	changeSession = `-- console: change a session
UPDATE sessions SET data = $2, expiry = least($3, now() + $4::interval), user_id = $5 WHERE token = $1`
	prolongSession = `-- console: prolong a session
UPDATE sessions SET expiry = least(created_at + $2::interval, now() + $3::interval) WHERE token = $1`
	endSession = `-- console: end a session
DELETE FROM sessions WHERE token = $1`
)

// sessions keeps those of scs. The one of its own package would write a session anew that
// another request has just ended. It is here that a session is prolonged, once a minute, while
// it is used: scs would encode and write it for each request of a page that follows.
type sessions struct {
	pool           *pgxpool.Pool
	lifetime, idle time.Duration
}

var _ scs.CtxStore = sessions{}

// visit is the session that a request came with, and its address.
type visit struct {
	token string
	// user is the session's user, 0 for none, as read with the session.
	user       int64
	name, role string
	origin     string
}

type visitKey struct{}

func (s sessions) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	var data []byte
	var prolong bool
	var v visit
	err := s.pool.QueryRow(ctx, readSession, token, s.lifetime, s.idle).Scan(&data, &prolong, &v.user, &v.name, &v.role)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err == nil && prolong {
		_, err = s.pool.Exec(ctx, prolongSession, token, s.lifetime, s.idle)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read a session: %w", err)
	}
	if came, _ := ctx.Value(visitKey{}).(*visit); came != nil {
		v.token, v.origin = token, came.origin
		*came = v
	}
	return data, true, nil
}

func (s sessions) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	_, values, err := scs.GobCodec{}.Decode(data)
	if err != nil {
		return fmt.Errorf("read a session: %w", err)
	}
	id, known := values[keyUser].(int64)
	user := pgtype.Int8{Int64: id, Valid: known}
	v, _ := ctx.Value(visitKey{}).(*visit)
	switch {
	case v == nil:
		return errors.New("a session outside of a request")
	case v.token != token:
		if _, err = s.pool.Exec(ctx, addSession, token, data, expiry, s.idle, user, v.origin); removed(err) {
			return operation.Invalid(errLogin)
		}
	default:
		_, err = s.pool.Exec(ctx, changeSession, token, data, expiry, s.idle, user)
	}
	if err == nil {
		v.token = token
	}
	return err
}

// removed tells that the user of a session is no longer there.
func removed(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "23503"
}

func (s sessions) DeleteCtx(ctx context.Context, token string) error {
	_, err := s.pool.Exec(ctx, endSession, token)
	return err
}

func (s sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

func (s sessions) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// idleShare is which part of a login's longest time it lasts unused.
const idleShare = 12

// newManager makes the manager of sessions. That of scs.New would keep a goroutine.
func (a *Area) newManager() *scs.SessionManager {
	name := "chorus"
	if a.secure() {
		name = "__Host-chorus" // browsers take it from this host and by https only
	}
	return &scs.SessionManager{
		Store: sessions{a.Pool, a.Session, a.Session / idleShare}, HashTokenInStore: true, Codec: scs.GobCodec{}, Lifetime: a.Session,
		// Strict would lose the session on the way back from an identity provider.
		Cookie:    scs.SessionCookie{Name: name, Path: "/", HttpOnly: true, Secure: a.secure(), SameSite: http.SameSiteLaxMode},
		ErrorFunc: func(w http.ResponseWriter, r *http.Request, err error) { a.pages.Fail(w, r, err) },
	}
}

// logIn ties the session to a user at once. It gets a new token, so that a token planted in
// the browser before the login is worthless. A user who was removed meanwhile gets the
// response of a wrong password.
func (a *Area) logIn(ctx context.Context, id int64) error {
	if err := a.manager.RenewToken(ctx); err != nil {
		return fmt.Errorf("begin a session: %w", err)
	}
	for _, key := range []string{keyPending, keyTries, keyPasskey, keyCodes, keyOIDC} {
		a.manager.Remove(ctx, key)
	}
	a.manager.Put(ctx, keyUser, id)
	a.manager.Put(ctx, keySince, a.Now().Unix())
	_, _, err := a.manager.Commit(ctx)
	if err == nil {
		return nil
	}
	_ = a.manager.Destroy(ctx) // it was not written
	if errors.Is(err, errLogin) {
		return operation.Invalid(errLogin)
	}
	return fmt.Errorf("begin a session: %w", err)
}

// freshFor is how long after a login users may change their ways of logging in.
const freshFor = 15 * time.Minute

// errStale reports that the login is too old for the operation.
var errStale = fmt.Errorf("%w: for this, log in again first", access.ErrForbidden)

// fresh is an error unless who asks has logged in lately.
func (a *Area) fresh(ctx context.Context) error {
	who := access.From(ctx)
	if who == nil || who.User == 0 {
		return access.ErrForbidden
	}
	if a.Now().Sub(time.Unix(a.manager.GetInt64(ctx, keySince), 0)) > freshFor {
		return errStale
	}
	return nil
}
