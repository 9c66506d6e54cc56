package account

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/account/credential"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/infra/remote"
)

// maxPublic limits a request without a login, in bytes.
const maxPublic = 64 << 10

//nolint:gosec // statements, no secrets
const (
	readToken = `-- console: whose token
SELECT t.id, u.id, u.name || '/' || t.name, u.role, t.role, t.read_only
FROM user_tokens t JOIN users u ON u.id = t.user_id WHERE t.token_hash = $1 AND t.expires_at > $2 AND u.disabled_at IS NULL`
	tokenUsed = `-- console: token used
UPDATE user_tokens SET used_at = $2 WHERE id = $1 AND (used_at IS NULL OR used_at < $2::timestamptz - interval '1 minute')`
)

// Via returns the interface that a request uses: console, api or mcp.
func Via(path string) string {
	for _, via := range []string{"api", "mcp"} {
		if path == "/"+via || strings.HasPrefix(path, "/"+via+"/") {
			return via
		}
	}
	return "console"
}

// public reports whether a path needs no login: the login pages and their assets.
func public(path string) bool {
	return path == "/login" || path == "/join" || path == "/logout" || strings.HasPrefix(path, "/login/") || strings.HasPrefix(path, "/static/")
}

// Gate tells the context who asks, and lets nobody else through than who is logged in, but
// to the pages of Public. The API and MCP take tokens, too. Whatever is added to the
// console is closed by that.
func (a *Area) Gate(next http.Handler) http.Handler {
	bySession := a.manager.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := a.loggedIn(r.Context())
		a.pass(w, r, next, who, err)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/static/") {
			next.ServeHTTP(w, r)
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if Via(r.URL.Path) != "console" && strings.EqualFold(scheme, "Bearer") {
			who, err := a.byToken(r.Context(), strings.TrimSpace(token))
			a.pass(w, r, next, who, err)
			return
		}
		bySession.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, &visit{origin: remote.Address(r, a.Forwarded)})))
	})
}

// pass lets a request through, if it may pass.
func (a *Area) pass(w http.ResponseWriter, r *http.Request, next http.Handler, who *access.Principal, err error) {
	if err == nil && who == nil && !public(r.URL.Path) {
		err = access.ErrAnonymous
	}
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	limit := int64(maxPublic)
	if who != nil {
		limit = operation.MaxRequest
		who.Origin, who.Via = remote.Address(r, a.Forwarded), Via(r.URL.Path)
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	next.ServeHTTP(w, r.WithContext(access.With(r.Context(), who)))
}

// refuse answers in the form that who asks reads.
func (a *Area) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if Via(r.URL.Path) == "console" && r.URL.Path != "/live" {
		a.pages.Fail(w, r, err)
		return
	}
	operation.Refuse(w, a.set.Problem(r.Context(), "log in", err))
}

// loggedIn returns the session's user as the database has them now, so that rights that were
// taken away end at once.
func (a *Area) loggedIn(ctx context.Context) (*access.Principal, error) {
	v, _ := ctx.Value(visitKey{}).(*visit)
	if v == nil || v.user == 0 {
		return nil, nil //nolint:nilnil // nobody is no error
	}
	role, err := access.ParseRole(v.role)
	return &access.Principal{User: v.user, Name: v.name, Role: role}, err
}

// byToken returns the owner of a token; nil if the token isn't valid.
func (a *Area) byToken(ctx context.Context, token string) (*access.Principal, error) {
	var id int64
	var ofUser, ofToken string
	who := &access.Principal{}
	err := a.Pool.QueryRow(ctx, readToken, credential.Sum(token), a.Now()).Scan(&id, &who.User, &who.Name, &ofUser, &ofToken, &who.ReadOnly)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // nobody is no error
	}
	if err != nil {
		return nil, err
	}
	user, err := access.ParseRole(ofUser)
	if err != nil {
		return nil, err
	}
	own, err := access.ParseRole(ofToken)
	if err != nil {
		return nil, err
	}
	who.Role = min(user, own)
	_, err = a.Pool.Exec(ctx, tokenUsed, id, a.Now())
	return who, err
}
