package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/account/credential"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
)

const (
	readCodes = `-- console: authenticator
SELECT totp_sealed, totp_used FROM users WHERE id = $1`
	// Of two requests with the same code only one finds it unused.
	useCode = `-- console: use a code
UPDATE users SET totp_used = $2 WHERE id = $1 AND totp_used < $2`
	setCodes = `-- console: set an authenticator
UPDATE users SET totp_sealed = $2, totp_used = $3 WHERE id = $1`
)

var errCode = errors.New("code: it is wrong or was used already; wait for the next one")

// sealedFor binds a secret to its user.
func sealedFor(user int64) []byte { return []byte("totp of user " + strconv.FormatInt(user, 10)) }

// takeCode takes a user's code, once.
func (a *Area) takeCode(ctx context.Context, id int64, code string) error {
	var sealed []byte
	var used int64
	err := a.Pool.QueryRow(ctx, readCodes, id).Scan(&sealed, &used)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && sealed == nil { // the login was made anew, or is gone, since the password
		return operation.Invalid(errLogin)
	}
	if err != nil {
		return err
	}
	secret, err := a.Keys.Open(sealed, sealedFor(id))
	if err != nil {
		return fmt.Errorf("the authenticator of user %d: %w", id, err)
	}
	at := credential.Step(string(secret), code, used, a.Now())
	if at == 0 {
		return operation.Invalid(errCode)
	}
	tag, err := a.Pool.Exec(ctx, useCode, id, at)
	if err == nil && tag.RowsAffected() == 0 {
		return operation.Invalid(errCode)
	}
	return err
}

// setCodes asks for codes from now on. The first one shows that the app has the secret.
func (a *Area) setCodes(ctx context.Context, in *codesInput) (*nothing, error) {
	if err := a.fresh(ctx); err != nil {
		return nil, err
	}
	id := access.From(ctx).User
	shown, err := a.Keys.Open(in.authenticator, sealedFor(id))
	if err != nil {
		return nil, operation.Invalid(errors.New("the authenticator: begin again"))
	}
	authenticator, err := credential.ReadAuthenticator(string(shown))
	if err != nil {
		return nil, err
	}
	at := credential.Step(authenticator.Secret(), in.code, 0, a.Now())
	if at == 0 {
		return nil, operation.Invalid(errCode)
	}
	sealed, err := a.Keys.Seal([]byte(authenticator.Secret()), sealedFor(id))
	if err != nil {
		return nil, err
	}
	if _, err := a.Pool.Exec(ctx, setCodes, id, sealed, at); err != nil {
		return nil, err
	}
	return a.endSessions(ctx, nil)
}

func (a *Area) dropCodes(ctx context.Context, _ *nothing) (*nothing, error) {
	if err := a.fresh(ctx); err != nil {
		return nil, err
	}
	_, err := a.Pool.Exec(ctx, setCodes, access.From(ctx).User, nil, 0)
	return &nothing{}, err
}

func (a *Area) codePages(r chi.Router) {
	r.Post(ownPath+"/codes/begin", func(w http.ResponseWriter, r *http.Request) {
		if err := a.showAuthenticator(w, r); err != nil {
			a.done(w, r, "", err)
		}
	})
	r.Post(ownPath+"/codes", func(w http.ResponseWriter, r *http.Request) {
		_, err := a.ops.setCodes.Call(r.Context(), &codesInput{a.manager.GetBytes(r.Context(), keyCodes), field(r, "code")})
		if err == nil {
			a.manager.Remove(r.Context(), keyCodes)
		}
		a.done(w, r, "From now on each login asks for a code, and all other sessions are logged out.", err)
	})
	r.Post(ownPath+"/codes/drop", func(w http.ResponseWriter, r *http.Request) {
		_, err := a.ops.dropCodes.Call(r.Context(), &nothing{})
		a.done(w, r, "No login asks for a code any more.", err)
	})
}

// showAuthenticator makes a secret and shows it; it counts once its first code was given.
func (a *Area) showAuthenticator(w http.ResponseWriter, r *http.Request) error {
	if err := a.fresh(r.Context()); err != nil {
		return err
	}
	if len(a.Keys.Keys()) == 0 {
		return operation.Invalid(errors.New("secret.keys: is empty, want keys that seal the secrets of authenticators"))
	}
	made, err := credential.NewAuthenticator(a.host(), access.From(r.Context()).Name)
	if err != nil {
		return err
	}
	path, size, err := made.Path()
	if err != nil {
		return err
	}
	sealed, err := a.Keys.Seal([]byte(made.URL()), sealedFor(access.From(r.Context()).User))
	if err != nil {
		return err
	}
	a.manager.Put(r.Context(), keyCodes, sealed)
	a.pages.Render(w, r, page.View{Title: "Authenticator", Body: authenticator(path, size, made.Secret())})
	return nil
}
