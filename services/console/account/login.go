package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/remote"
)

const (
	readPassword = `-- console: password
SELECT id, coalesce(password_hash, ''), totp_sealed IS NOT NULL FROM users WHERE lower(name) = lower($1) AND disabled_at IS NULL`
	readName = `-- console: name of a user
SELECT name FROM users WHERE id = $1 AND disabled_at IS NULL`
	// maxCodes is how many wrong codes are allowed before the password is asked for again.
	maxCodes = 5
)

// errLogin does not tell which of both is wrong.
var errLogin = errors.New("the name or the password is wrong")

func (a *Area) showLogin(w http.ResponseWriter, r *http.Request) {
	if access.From(r.Context()) != nil && !r.URL.Query().Has("again") {
		http.Redirect(w, r, page.Local(r.URL.Query().Get("next")), http.StatusSeeOther) //nolint:gosec // page.Local lets no other place through
		return
	}
	code := a.manager.GetInt64(r.Context(), keyPending) != 0 && !r.URL.Query().Has("again")
	a.pages.Render(w, r, page.View{Title: "Log in", Body: login(page.Local(r.URL.Query().Get("next")), code, a.OIDC.Issuer != "")})
}

// byPassword logs in with name and password, or asks for a code then.
func (a *Area) byPassword(w http.ResponseWriter, r *http.Request) {
	next := page.Local(field(r, "next"))
	done, err := a.checkPassword(r, field(r, "name"), field(r, "password"))
	if err != nil {
		a.notIn(w, r, next, err)
		return
	}
	if !done {
		http.Redirect(w, r, loginPath(next), http.StatusSeeOther) //nolint:gosec // page.Local lets no other place through
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // as above
}

// checkPassword logs in, if the password is right; without done a code is needed, too.
func (a *Area) checkPassword(r *http.Request, name, password string) (done bool, err error) {
	ctx := r.Context()
	if acceptableName(name) != nil {
		return false, operation.Invalid(errLogin)
	}
	right, err := a.try(ctx, remote.Address(r, a.Forwarded), name)
	if err != nil {
		return false, err
	}
	var id int64
	var hash string
	var codes bool
	err = a.Pool.QueryRow(ctx, readPassword, name).Scan(&id, &hash, &codes)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, err
	}
	same, err := a.hasher.Matches(ctx, password, hash)
	if err != nil {
		return false, err
	}
	if !same {
		a.failed(r, id, "password")
		return false, operation.Invalid(errLogin)
	}
	if err := right(ctx, !codes); err != nil {
		return false, err
	}
	if !codes {
		return true, a.entered(r, id, "password")
	}
	if err := a.manager.RenewToken(ctx); err != nil {
		return false, fmt.Errorf("begin a session: %w", err)
	}
	a.manager.Remove(ctx, keyUser)
	a.manager.Put(ctx, keyTries, 0)
	a.manager.Put(ctx, keyPending, id)
	return false, nil
}

// byCode ends a login with the code of an authenticator.
func (a *Area) byCode(w http.ResponseWriter, r *http.Request) {
	next := page.Local(field(r, "next"))
	if err := a.checkCode(r, field(r, "code")); err != nil {
		a.notIn(w, r, next, err)
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // as above
}

func (a *Area) checkCode(r *http.Request, code string) error {
	ctx := r.Context()
	id, tries := a.manager.GetInt64(ctx, keyPending), a.manager.GetInt(ctx, keyTries)
	if id == 0 {
		return operation.Invalid(errors.New("log in with your password first"))
	}
	name, err := a.nameOf(ctx, id)
	if err != nil {
		return err
	}
	a.manager.Put(ctx, keyTries, tries+1)
	if tries+1 >= maxCodes {
		a.manager.Remove(ctx, keyPending)
	}
	right, err := a.try(ctx, remote.Address(r, a.Forwarded), name)
	if err != nil {
		return err
	}
	if err := a.takeCode(ctx, id, code); err != nil {
		a.failed(r, id, "code")
		return err
	}
	return errors.Join(right(ctx, true), a.entered(r, id, "password and code"))
}

// nameOf returns the name of a user who logs in. A user who was disabled or removed meanwhile
// gets the response of a wrong password.
func (a *Area) nameOf(ctx context.Context, id int64) (name string, err error) {
	err = a.Pool.QueryRow(ctx, readName, id).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", operation.Invalid(errLogin)
	}
	return name, err
}

// entered ends a login: the session is the user's from now on. It is written down.
func (a *Area) entered(r *http.Request, id int64, how string) error {
	ctx := r.Context()
	name, err := a.nameOf(ctx, id)
	if err != nil {
		return err
	}
	entry := &audit.Entry{Actor: name, Origin: remote.Address(r, a.Forwarded), Via: "console", Operation: "log-in"}
	return a.set.Audit.Do(ctx, entry, func(ctx context.Context) error {
		audit.Note(ctx, "user "+name, nil, map[string]string{"with": how})
		return a.logIn(ctx, id)
	})
}

// failed tells the log of a login that failed. What was typed is not in it: it may be a
// password in the wrong field.
func (a *Area) failed(r *http.Request, id int64, with string) {
	a.Log.Info("a login failed", zap.Int64("user", id), zap.String("with", with), zap.String("from", remote.Address(r, a.Forwarded)))
}

// notIn goes back to the login, which says why it failed.
func (a *Area) notIn(w http.ResponseWriter, r *http.Request, next string, err error) {
	a.pages.Done(w, r, loginPath(next), "", err)
}

func (a *Area) logOut(w http.ResponseWriter, r *http.Request) {
	err := a.manager.Destroy(r.Context())
	if err == nil {
		w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	}
	a.pages.Done(w, r, "/login", "You are logged out.", err)
}

func (a *Area) showJoin(w http.ResponseWriter, r *http.Request) {
	a.pages.Render(w, r, page.View{Title: "Your account", Body: joining("", "", "")})
}

// byLink makes an account with a link, and logs in.
func (a *Area) byLink(w http.ResponseWriter, r *http.Request) {
	code, name := field(r, "code"), field(r, "name")
	right, err := a.try(r.Context(), remote.Address(r, a.Forwarded), "")
	if err == nil {
		var id int64
		if id, err = a.takeUp(r.Context(), code, name, field(r, "password")); err == nil {
			err = errors.Join(right(r.Context(), true), a.entered(r, id, "link"))
		}
	}
	switch status := operation.Status(err); {
	case err == nil:
		a.pages.Done(w, r, "/", "Welcome. Under your name you can add a second factor or a passkey.", nil)
	case status == http.StatusInternalServerError:
		a.pages.Fail(w, r, err)
	default: // the form keeps what was typed: the code can't be had again
		a.pages.Render(w, r, page.View{Title: "Your account", Status: status, Body: joining(code, name, err.Error())})
	}
}

// loginPath is the login that goes on to a path then.
func loginPath(next string) string {
	if next == "/" {
		return "/login"
	}
	return "/login?next=" + url.QueryEscape(next)
}

// text is a text that may be NULL.
func text(s string) pgtype.Text { return pgtype.Text{String: s, Valid: s != ""} }
