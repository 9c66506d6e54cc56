package account

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/zap"
	"golang.org/x/oauth2"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/account/credential"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/infra/remote"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// OIDC is an identity provider where people may log in.
type OIDC struct {
	Issuer       string     `config:"issuer" doc:"identity provider where people may log in, as https://HOST/PATH (OpenID Connect); empty for none"`
	ClientID     string     `config:"client_id" doc:"what the identity provider calls this console; its redirect address is PUBLIC_URL/login/oidc/callback"`
	ClientSecret secret.Ref `config:"client_secret_ref" doc:"where the secret of client_id is: env:NAME or file:PATH; empty for a public client"`
	Role         string     `config:"role" enum:"viewer,editor,director,admin" doc:"what who logs in there for the first time becomes"`
}

// DefaultOIDC is none.
func DefaultOIDC() OIDC { return OIDC{Role: "viewer"} }

// Validate joins everything that is wrong.
func (o OIDC) Validate() error {
	if o.Issuer == "" {
		return nil
	}
	u, err := url.Parse(o.Issuer)
	local := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return fmt.Errorf("oidc.issuer: %q, want https://HOST/PATH; http:// only for localhost", o.Issuer)
	}
	if o.ClientID == "" {
		return errors.New("oidc.client_id: is empty, want what the issuer calls this console")
	}
	return nil
}

const (
	bySubject = `-- console: user of an identity provider
SELECT id, disabled_at IS NOT NULL OR oidc_ended_at IS NOT NULL FROM users WHERE oidc_subject = $1`
	oidcTimeout = 10 * time.Second
)

// issuer is the identity provider, once it was asked for what it offers.
type issuer struct{ provider *oidc.Provider }

// provider asks it at the first login: a console starts without it.
func (a *Area) provider(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	a.made.Lock()
	defer a.made.Unlock()
	if a.issuer.provider == nil {
		// It keeps the context for the keys that it reads later.
		p, err := oidc.NewProvider(context.WithoutCancel(ctx), a.OIDC.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("console.oidc.issuer: %w", err)
		}
		a.issuer.provider = p
	}
	clientSecret := ""
	if a.OIDC.ClientSecret != (secret.Ref{}) {
		found, err := secret.Resolve(a.OIDC.ClientSecret)
		if err != nil {
			return nil, nil, fmt.Errorf("console.oidc.client_secret_ref: %w", err)
		}
		clientSecret = found.Reveal()
	}
	return a.issuer.provider, &oauth2.Config{
		ClientID: a.OIDC.ClientID, ClientSecret: clientSecret, Endpoint: a.issuer.provider.Endpoint(),
		RedirectURL: a.URL() + "/login/oidc/callback", Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}, nil
}

// asked holds the values that a login at the provider starts with: state ties the response to
// this browser, nonce ties the identity to this login, and verifier ties the code to this
// console (PKCE).
type asked struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Next     string `json:"next"`
}

func oidcContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, oidcTimeout)
	return oidc.ClientContext(ctx, &http.Client{Timeout: oidcTimeout}), cancel
}

func (a *Area) beginOIDC(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := oidcContext(r.Context())
	defer cancel()
	if a.OIDC.Issuer == "" {
		a.pages.Fail(w, r, operation.ErrNotFound)
		return
	}
	_, client, err := a.provider(ctx)
	if err == nil { // each ends once, and writes a session for somebody whom nobody knows
		_, err = a.try(ctx, remote.Address(r, a.Forwarded), "")
	}
	if err != nil {
		a.notIn(w, r, "/", err)
		return
	}
	begin := asked{credential.New(""), credential.New(""), oauth2.GenerateVerifier(), page.Local(r.URL.Query().Get("next"))}
	data, err := json.Marshal(begin)
	if err != nil {
		a.notIn(w, r, "/", err)
		return
	}
	a.manager.Put(r.Context(), keyOIDC, data)
	http.Redirect(w, r, client.AuthCodeURL(begin.State, oidc.Nonce(begin.Nonce), oauth2.S256ChallengeOption(begin.Verifier)), http.StatusSeeOther)
}

// errProvider does not tell why; the log does.
var errProvider = operation.Invalid(errors.New("the identity provider's answer was not accepted; the console's log says why"))

// byOIDC takes the answer of the provider.
func (a *Area) byOIDC(w http.ResponseWriter, r *http.Request) {
	var begin asked
	if json.Unmarshal(a.manager.PopBytes(r.Context(), keyOIDC), &begin) != nil || a.OIDC.Issuer == "" {
		a.notIn(w, r, "/", errProvider)
		return
	}
	id, err := a.identity(r, begin)
	if err == nil {
		err = errors.Join(a.giveBack(r), a.entered(r, id, "identity provider"))
	}
	if err != nil {
		a.notIn(w, r, page.Local(begin.Next), err)
		return
	}
	http.Redirect(w, r, page.Local(begin.Next), http.StatusSeeOther)
}

// identity is the user whom the provider says it is.
func (a *Area) identity(r *http.Request, begin asked) (int64, error) {
	refuse := func(err error) (int64, error) {
		a.Log.Info("a login at the identity provider was not accepted", zap.Error(err))
		return 0, errProvider
	}
	given := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(given.Get("state")), []byte(begin.State)) != 1 || begin.State == "" {
		return refuse(errors.New("the state is not that of this browser"))
	}
	if said := given.Get("error"); said != "" {
		return refuse(fmt.Errorf("it says %.200q", said))
	}
	ctx, cancel := oidcContext(r.Context())
	defer cancel()
	provider, client, err := a.provider(ctx)
	if err != nil {
		return 0, err
	}
	tokens, err := client.Exchange(ctx, given.Get("code"), oauth2.VerifierOption(begin.Verifier))
	if err != nil {
		// Its text may repeat what was sent.
		if answer, is := errors.AsType[*oauth2.RetrieveError](err); is {
			err = fmt.Errorf("it answers %.100q to the code", answer.ErrorCode)
		}
		return refuse(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := provider.Verifier(&oidc.Config{ClientID: a.OIDC.ClientID, Now: a.Now}).Verify(ctx, raw)
	if err != nil {
		return refuse(err)
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(begin.Nonce)) != 1 {
		return refuse(errors.New("the nonce is not that of this login"))
	}
	var claims struct {
		Name  string `json:"preferred_username"`
		Email string `json:"email"`
	}
	if err := token.Claims(&claims); err != nil {
		return refuse(err)
	}
	return a.ofSubject(r.Context(), token.Issuer+" "+token.Subject, claims.Name, claims.Email, token.Subject)
}

// ofSubject finds the user, or makes one by the first of names that is free: a name alone
// makes nobody somebody whom this console knows already. Who is disabled, or whose login was
// made anew by a link since, is refused.
func (a *Area) ofSubject(ctx context.Context, subject string, names ...string) (id int64, err error) {
	err = store.InTx(ctx, a.Pool, func(tx pgx.Tx) error {
		var ended bool
		err := tx.QueryRow(ctx, bySubject, subject).Scan(&id, &ended)
		if err == nil && ended {
			return operation.Invalid(errLogin)
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		role, err := access.ParseRole(a.OIDC.Role)
		if err != nil {
			return err
		}
		for _, name := range names {
			name = strings.ReplaceAll(strings.TrimSpace(name), "/", "_")
			if acceptableName(name) != nil {
				continue
			}
			err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
				id, err = insert(ctx, tx, name, role.String(), pgtype.Text{}, text(subject))
				return err
			})
			if operation.Status(err) != http.StatusUnprocessableEntity {
				return err
			}
		}
		return operation.Invalid(errors.New("there is no free name for this account: ask an owner"))
	})
	return id, err
}
