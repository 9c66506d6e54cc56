// Package account holds who may use the console: users with their roles, how they log in,
// their sessions and tokens.
//
// Nobody gets in without a link that somebody with a right to do so has made: the first
// start prints one, as does the terminal later, and users invite others by links.
package account

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/account/credential"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Deps are the dependencies of accounts.
type Deps struct {
	Pool *pgxpool.Pool
	// Keys seal the secrets of authenticators. Without keys nobody can set one up.
	Keys secret.Keyring
	Now  func() time.Time
	Log  *zap.Logger
	// PublicURL is the console's address for browsers, as https://HOST. If it is empty, URL is
	// used, which is known after the console listens.
	PublicURL string
	URL       func() string
	// Forwarded makes a proxy's headers name the caller; Open makes logins unnecessary.
	Forwarded, Open bool
	// Session is the longest time a login lasts.
	Session time.Duration
	OIDC    OIDC
}

// Area is that part of the console.
type Area struct {
	Deps

	set     *operation.Set
	pages   *page.Pages
	hasher  *credential.Hasher
	manager *scs.SessionManager
	ops     operations
	issuer  issuer
	// made guards what is made at the first use.
	made sync.Mutex
}

// New adds it to a console.
func New(set *operation.Set, pages *page.Pages, deps Deps) *Area {
	a := &Area{Deps: deps, set: set, pages: pages, hasher: credential.NewHasher()}
	a.manager = a.newManager()
	a.addOperations()
	return a
}

// secure tells that browsers reach it by https only.
func (a *Area) secure() bool { return strings.HasPrefix(a.PublicURL, "https://") }

// host is the name under which browsers reach it.
func (a *Area) host() string {
	u, err := url.Parse(a.URL())
	if err != nil {
		return "localhost"
	}
	return u.Hostname()
}

// Public adds the pages for who is not logged in yet: nothing else is.
func (a *Area) Public(r chi.Router) {
	r.Get("/login", a.showLogin)
	r.Post("/login", a.byPassword)
	r.Post("/login/code", a.byCode)
	r.Post("/login/passkey/begin", a.beginByPasskey)
	r.Post("/login/passkey", a.byPasskey)
	r.Get("/login/oidc", a.beginOIDC)
	r.Get("/login/oidc/callback", a.byOIDC)
	r.Get("/join", a.showJoin)
	r.Post("/join", a.byLink)
	r.Post("/logout", a.logOut)
}

// Routes adds its pages.
func (a *Area) Routes(r chi.Router) {
	a.userPages(r)
	a.ownPages(r.With(a.owned))
}

const (
	tidySessions = `-- console: tidy sessions
DELETE FROM sessions WHERE expiry < now()`
	tidyLinks = `-- console: tidy links
DELETE FROM user_invitations WHERE expires_at < now()`
	tidyTries = `-- console: tidy tries to log in
DELETE FROM login_failures WHERE next_at < $1`
)

// Tidy removes what has expired of accounts.
func (a *Area) Tidy(ctx context.Context) error {
	for _, sql := range []string{tidySessions, tidyLinks} {
		if _, err := a.Pool.Exec(ctx, sql); err != nil {
			return err
		}
	}
	_, err := a.Pool.Exec(ctx, tidyTries, a.Now().Add(-forgottenAfter))
	return err
}

// field is one of a form. It is cut at the length that no right one has.
func field(r *http.Request, name string) string {
	const longest = 8 << 10
	text := r.PostFormValue(name)
	return text[:min(len(text), longest)]
}
