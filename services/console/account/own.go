package account

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/account/credential"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

type (
	passwordInput struct{ old, next string }
	codesInput    struct {
		authenticator []byte // sealed
		code          string
	}
	tokenInput struct {
		name, role string
		readOnly   bool
		days       int
	}
	tokenOutput  struct{ token string }
	sessionInput struct{ token string }
)

// Token is an API token as it is listed.
type Token struct {
	ID        int64
	Name      string
	Role      string
	ReadOnly  bool
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    *time.Time
}

// Session is a login as it is listed.
type Session struct {
	Token     string // its hash
	Origin    string
	CreatedAt time.Time
	Expiry    time.Time
}

//nolint:gosec // statements, no secrets
const (
	setPassword = `-- console: set a password
UPDATE users SET password_hash = $2 WHERE id = $1`
	readHash = `-- console: password of a user
SELECT coalesce(password_hash, '') FROM users WHERE id = $1`
	listTokens = `-- console: tokens
SELECT id, name, role, read_only, created_at, expires_at, used_at FROM user_tokens WHERE user_id = $1 ORDER BY id DESC LIMIT 200`
	addToken = `-- console: add a token
INSERT INTO user_tokens (user_id, name, token_hash, role, read_only, expires_at) SELECT $1, $2, $3, $4, $5, $6
WHERE (SELECT count(*) FROM user_tokens WHERE user_id = $1) < 200 RETURNING id`
	dropToken = `-- console: drop a token
DELETE FROM user_tokens WHERE id = $1 AND user_id = $2 RETURNING name`
	listSessions = `-- console: sessions
SELECT token, origin, created_at, expiry FROM sessions WHERE user_id = $1 AND expiry > now() ORDER BY created_at DESC LIMIT 200`
	dropSession = `-- console: drop a session
DELETE FROM sessions WHERE token = $1 AND user_id = $2`

	ownPath = "/account"
	// longestToken limits a token's lifetime, in days.
	longestToken = 365
)

// changePassword sets one's own. Who has one needs to know it. All other sessions end.
func (a *Area) changePassword(ctx context.Context, in *passwordInput) (*nothing, error) {
	if err := a.fresh(ctx); err != nil {
		return nil, err
	}
	who := access.From(ctx)
	if err := credential.Acceptable(in.next, who.Name); err != nil {
		return nil, operation.Invalid(err)
	}
	var hash string
	if err := a.Pool.QueryRow(ctx, readHash, who.User).Scan(&hash); err != nil {
		return nil, err
	}
	if hash != "" {
		right, err := a.try(ctx, who.Origin, who.Name)
		if err != nil {
			return nil, err
		}
		same, err := a.hasher.Matches(ctx, in.old, hash)
		if err != nil {
			return nil, err
		}
		if !same {
			return nil, operation.Invalid(errors.New("old password: it is wrong"))
		}
		if err := right(ctx, true); err != nil {
			return nil, err
		}
	}
	next, err := a.hasher.Hash(ctx, in.next)
	if err != nil {
		return nil, err
	}
	if _, err := a.Pool.Exec(ctx, setPassword, who.User, next); err != nil {
		return nil, err
	}
	return a.endSessions(ctx, nil)
}

// endSessions ends all of one's own but this one.
func (a *Area) endSessions(ctx context.Context, _ *nothing) (*nothing, error) {
	this := ""
	if v, _ := ctx.Value(visitKey{}).(*visit); v != nil {
		this = v.token
	}
	_, err := a.Pool.Exec(ctx, endSessions, access.From(ctx).User, this)
	return &nothing{}, err
}

func (a *Area) endSession(ctx context.Context, in *sessionInput) (*nothing, error) {
	_, err := a.Pool.Exec(ctx, dropSession, in.token, access.From(ctx).User)
	return &nothing{}, err
}

func (a *Area) makeToken(ctx context.Context, in *tokenInput) (*tokenOutput, error) {
	if err := a.fresh(ctx); err != nil {
		return nil, err
	}
	who := access.From(ctx)
	if err := acceptableName(in.name); err != nil {
		return nil, err
	}
	r, err := access.ParseRole(in.role)
	if err != nil {
		return nil, operation.Invalid(err)
	}
	if r > who.Role {
		return nil, fmt.Errorf("%w: a token of %s can be a %s at most", access.ErrForbidden, who.Name, who.Role)
	}
	if in.days < 1 || in.days > longestToken {
		return nil, &operation.InvalidError{Field: "days", Value: strconv.Itoa(in.days), Want: "1 to 365"}
	}
	token := credential.New(credential.Prefix)
	until := a.Now().AddDate(0, 0, in.days)
	var id int64
	err = a.Pool.QueryRow(ctx, addToken, who.User, in.name, credential.Sum(token), r.String(), in.readOnly, until).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, operation.Invalid(errors.New("tokens: there are 200, end some first"))
	}
	if err != nil {
		return nil, err
	}
	audit.Note(ctx, "token "+in.name, nil, map[string]any{"role": r.String(), "read_only": in.readOnly, "expires_at": until})
	return &tokenOutput{token}, nil
}

func (a *Area) dropToken(ctx context.Context, in *idInput) (*nothing, error) {
	var name string
	err := a.Pool.QueryRow(ctx, dropToken, in.ID, access.From(ctx).User).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, operation.ErrNotFound
	}
	audit.Note(ctx, "token "+name, nil, nil)
	return &nothing{}, err
}

// own is the data of the page of one's own account.
type own struct {
	User     User
	Passkeys []Passkey
	Tokens   []Token
	Sessions []Session
	this     string
	roles    []access.Role
	keys     bool // there is a key that seals secrets of authenticators
	passkeys bool // browsers can have passkeys for this console
}

func (a *Area) readOwn(ctx context.Context) (o own, err error) {
	who := access.From(ctx)
	o.keys, o.passkeys = len(a.Keys.Keys()) > 0, true
	if v, _ := ctx.Value(visitKey{}).(*visit); v != nil {
		o.this = v.token
	}
	for _, r := range access.Roles() {
		if r <= who.Role {
			o.roles = append(o.roles, r)
		}
	}
	if o.User, err = user(ctx, a.Pool, who.User); err != nil {
		return o, err
	}
	if o.Tokens, err = store.Collect(ctx, a.Pool, "read tokens", pgx.RowToStructByPos[Token], listTokens, who.User); err != nil {
		return o, err
	}
	if o.Sessions, err = store.Collect(ctx, a.Pool, "read sessions", pgx.RowToStructByPos[Session], listSessions, who.User); err != nil {
		return o, err
	}
	o.Passkeys, err = a.passkeysOf(ctx, who.User)
	return o, err
}

// owned lets nobody through who has no account: in the demo there is none, and no session.
func (a *Area) owned(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if access.From(r.Context()).User == 0 {
			a.pages.Fail(w, r, fmt.Errorf("%w: the demo has no accounts", access.ErrForbidden))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownPages adds the pages of one's own account.
func (a *Area) ownPages(r chi.Router) {
	r.Get(ownPath, func(w http.ResponseWriter, r *http.Request) {
		o, err := a.readOwn(r.Context())
		a.pages.Show(w, r, err, func() page.View { return page.View{Title: "Your account", Body: account(o)} })
	})
	r.Post(ownPath+"/password", func(w http.ResponseWriter, r *http.Request) {
		_, err := a.ops.password.Call(r.Context(), &passwordInput{field(r, "old"), field(r, "new")})
		a.done(w, r, "The password is changed, and all other sessions are logged out.", err)
	})
	r.Post(ownPath+"/tokens", func(w http.ResponseWriter, r *http.Request) {
		days, _ := strconv.Atoi(field(r, "days"))
		out, err := a.ops.makeToken.Call(r.Context(), &tokenInput{field(r, "name"), field(r, "role"), field(r, "read_only") != "", days})
		if err != nil {
			a.done(w, r, "", err)
			return
		}
		const what = "Copy this token now: it is not shown again. It goes into the header Authorization: Bearer TOKEN."
		a.pages.Render(w, r, page.View{Title: "API token", Body: shown(out.token, what, ownPath)})
	})
	r.Post(ownPath+"/tokens/{id}/drop", func(w http.ResponseWriter, r *http.Request) {
		_, err := a.ops.dropToken.Call(r.Context(), &idInput{pathID(r)})
		a.done(w, r, "The token has ended.", err)
	})
	r.Post(ownPath+"/sessions", func(w http.ResponseWriter, r *http.Request) {
		_, err := a.ops.endSessions.Call(r.Context(), &nothing{})
		a.done(w, r, "All other sessions are logged out.", err)
	})
	r.Post(ownPath+"/sessions/end", func(w http.ResponseWriter, r *http.Request) {
		_, err := a.ops.endSession.Call(r.Context(), &sessionInput{field(r, "session")})
		a.done(w, r, "The session is logged out.", err)
	})
	a.codePages(r)
	a.passkeyPages(r)
}

// done goes back to one's own account; or to the login, where that is too old.
func (a *Area) done(w http.ResponseWriter, r *http.Request, done string, err error) {
	if errors.Is(err, errStale) {
		a.pages.Done(w, r, loginPath(ownPath)+"&again", "", err)
		return
	}
	a.pages.Done(w, r, ownPath, done, err)
}

// encodeID and decodeID bring the id of a passkey through a form.
func encodeID(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

func decodeID(text string) ([]byte, error) {
	id, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, operation.ErrNotFound
	}
	return id, nil
}
