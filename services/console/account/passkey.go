package account

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/remote"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Passkey is one as it is listed.
type Passkey struct {
	ID        []byte
	Name      string
	CreatedAt time.Time
	UsedAt    *time.Time
}

type (
	passkeyInput struct {
		name       string
		credential *webauthn.Credential
	}
	passkeyID struct{ id []byte }
)

//nolint:gosec // statements, no secrets
const (
	listPasskeys = `-- console: passkeys
SELECT id, name, created_at, used_at FROM user_passkeys WHERE user_id = $1 ORDER BY created_at LIMIT 50`
	readPasskeys = `-- console: credentials of passkeys
SELECT credential FROM user_passkeys WHERE user_id = $1 ORDER BY created_at LIMIT 50`
	addPasskey = `-- console: add a passkey
INSERT INTO user_passkeys (id, user_id, name, credential) SELECT $1, $2, $3, $4
WHERE (SELECT count(*) FROM user_passkeys WHERE user_id = $2) < 50 ON CONFLICT DO NOTHING`
	usePasskey = `-- console: use a passkey
UPDATE user_passkeys SET credential = $2, used_at = now() WHERE id = $1`
	dropPasskey = `-- console: drop a passkey
DELETE FROM user_passkeys WHERE id = $1 AND user_id = $2 RETURNING name`
)

// holder is a user as passkeys know one.
type holder struct {
	id          int64
	name        string
	credentials []webauthn.Credential
}

var _ webauthn.User = (*holder)(nil)

func (h *holder) WebAuthnID() []byte                         { return binary.BigEndian.AppendUint64(nil, uint64(h.id)) } //nolint:gosec // positive
func (h *holder) WebAuthnName() string                       { return h.name }
func (h *holder) WebAuthnDisplayName() string                { return h.name }
func (h *holder) WebAuthnCredentials() []webauthn.Credential { return h.credentials }

// relyingParty is the console as passkeys know it. A passkey is a login by itself: the
// device asks for a finger, a face or a number.
func (a *Area) relyingParty() (*webauthn.WebAuthn, error) {
	rp, err := webauthn.New(&webauthn.Config{
		RPID: a.host(), RPDisplayName: "Chorus", RPOrigins: []string{a.URL()},
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
		AttestationPreference: protocol.PreferNoAttestation,
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	return rp, nil
}

func (a *Area) passkeysOf(ctx context.Context, user int64) ([]Passkey, error) {
	return store.Collect(ctx, a.Pool, "read passkeys", pgx.RowToStructByPos[Passkey], listPasskeys, user)
}

func (a *Area) holder(ctx context.Context, id int64) (*holder, error) {
	name, err := a.nameOf(ctx, id)
	if err != nil {
		return nil, err
	}
	h := &holder{id: id, name: name}
	h.credentials, err = store.Collect(ctx, a.Pool, "read passkeys", pgx.RowTo[webauthn.Credential], readPasskeys, id)
	return h, err
}

// errPasskey does not tell why.
var errPasskey = operation.Invalid(errors.New("the passkey was not accepted"))

func (a *Area) passkeyPages(r chi.Router) {
	r.Post(ownPath+"/passkeys/begin", func(w http.ResponseWriter, r *http.Request) {
		a.answer(w, r, func() (any, error) { return a.beginPasskey(r.Context()) })
	})
	r.Post(ownPath+"/passkeys", func(w http.ResponseWriter, r *http.Request) {
		a.answer(w, r, func() (any, error) { return a.endPasskey(r) })
	})
	r.Post(ownPath+"/passkeys/drop", func(w http.ResponseWriter, r *http.Request) {
		id, err := decodeID(field(r, "passkey"))
		if err == nil {
			_, err = a.ops.dropPasskey.Call(r.Context(), &passkeyID{id})
		}
		a.done(w, r, "The passkey is removed.", err)
	})
}

// answer answers a script of ours.
func (a *Area) answer(w http.ResponseWriter, r *http.Request, do func() (any, error)) {
	out, err := do()
	status := operation.Status(err)
	if err != nil {
		out = a.set.Problem(r.Context(), "passkey", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // who does not listen need not be told
}

// beginPasskey asks the browser to make a passkey.
func (a *Area) beginPasskey(ctx context.Context) (any, error) {
	if err := a.fresh(ctx); err != nil {
		return nil, err
	}
	h, err := a.holder(ctx, access.From(ctx).User)
	if err != nil {
		return nil, err
	}
	return a.begin(ctx, func(rp *webauthn.WebAuthn) (any, *webauthn.SessionData, error) {
		return rp.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.credentials).CredentialDescriptors()))
	})
}

// begin begins a ceremony, and keeps what it began with. It ends with the next one.
func (a *Area) begin(ctx context.Context, begin func(*webauthn.WebAuthn) (options any, session *webauthn.SessionData, err error)) (any, error) {
	rp, err := a.relyingParty()
	if err != nil {
		return nil, err
	}
	options, session, err := begin(rp)
	if err != nil {
		return nil, fmt.Errorf("begin a ceremony: %w", err)
	}
	data, err := json.Marshal(session)
	if err != nil {
		return nil, fmt.Errorf("keep a ceremony: %w", err)
	}
	a.manager.Put(ctx, keyPasskey, data)
	return options, nil
}

func (a *Area) ended(ctx context.Context) (webauthn.SessionData, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(a.manager.PopBytes(ctx, keyPasskey), &session); err != nil {
		return session, errPasskey
	}
	return session, nil
}

// endPasskey takes the passkey that the browser has made.
func (a *Area) endPasskey(r *http.Request) (any, error) {
	ctx := r.Context()
	if err := a.fresh(ctx); err != nil {
		return nil, err
	}
	session, err := a.ended(ctx)
	if err != nil {
		return nil, err
	}
	rp, err := a.relyingParty()
	if err != nil {
		return nil, err
	}
	h, err := a.holder(ctx, access.From(ctx).User)
	if err != nil {
		return nil, err
	}
	made, err := rp.FinishRegistration(h, session, r)
	if err != nil {
		return nil, a.refusedPasskey(err)
	}
	name := r.URL.Query().Get("name")
	if name == "" {
		name = "Passkey of " + a.Now().UTC().Format(time.DateOnly)
	}
	return a.ops.addPasskey.Call(ctx, &passkeyInput{name, made})
}

// refusedPasskey tells the log why, and nobody else.
func (a *Area) refusedPasskey(err error) error {
	detail := &protocol.Error{}
	if errors.As(err, &detail) {
		a.Log.Info("a passkey was not accepted", zap.String("why", detail.Details), zap.String("detail", detail.DevInfo))
	}
	return errPasskey
}

func (a *Area) addPasskey(ctx context.Context, in *passkeyInput) (*nothing, error) {
	if err := acceptableName(in.name); err != nil {
		return nil, err
	}
	tag, err := a.Pool.Exec(ctx, addPasskey, in.credential.ID, access.From(ctx).User, in.name, in.credential)
	if err == nil && tag.RowsAffected() == 0 {
		return nil, operation.Invalid(errors.New("passkeys: there is this one already, or there are 50"))
	}
	audit.Note(ctx, "passkey "+in.name, nil, nil)
	return &nothing{}, err
}

func (a *Area) dropPasskey(ctx context.Context, in *passkeyID) (*nothing, error) {
	if err := a.fresh(ctx); err != nil {
		return nil, err
	}
	var name string
	err := a.Pool.QueryRow(ctx, dropPasskey, in.id, access.From(ctx).User).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, operation.ErrNotFound
	}
	audit.Note(ctx, "passkey "+name, nil, nil)
	return &nothing{}, err
}

// beginByPasskey asks the browser for any passkey of this console. That is the try that
// counts: each ends once, and writes a session for somebody whom nobody knows.
func (a *Area) beginByPasskey(w http.ResponseWriter, r *http.Request) {
	a.answer(w, r, func() (any, error) {
		if _, err := a.try(r.Context(), remote.Address(r, a.Forwarded), ""); err != nil {
			return nil, err
		}
		return a.begin(r.Context(), func(rp *webauthn.WebAuthn) (any, *webauthn.SessionData, error) {
			return rp.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
		})
	})
}

// byPasskey logs in with a passkey.
func (a *Area) byPasskey(w http.ResponseWriter, r *http.Request) {
	a.answer(w, r, func() (any, error) {
		session, err := a.ended(r.Context())
		if err != nil {
			return nil, err
		}
		rp, err := a.relyingParty()
		if err != nil {
			return nil, err
		}
		found, used, err := rp.FinishPasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
			if len(handle) != 8 {
				return nil, errPasskey
			}
			return a.holder(r.Context(), int64(binary.BigEndian.Uint64(handle))) //nolint:gosec // an id that nobody has is none
		}, session, r)
		if err != nil {
			return nil, a.refusedPasskey(err)
		}
		// A copy of the device would count from where the original was.
		if used.Authenticator.CloneWarning {
			return nil, errPasskey
		}
		if _, err := a.Pool.Exec(r.Context(), usePasskey, used.ID, used); err != nil {
			return nil, err
		}
		h, _ := found.(*holder)
		return &nothing{}, errors.Join(a.giveBack(r), a.entered(r, h.id, "passkey"))
	})
}
