package account

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

const (
	allCodes = `-- console: all authenticators
SELECT id, totp_sealed FROM users WHERE totp_sealed IS NOT NULL ORDER BY id`
	resealCodes = `-- console: seal an authenticator anew
UPDATE users SET totp_sealed = $3 WHERE id = $1 AND totp_sealed = $2`
)

// Sealed counts the authenticators that each key seals.
func Sealed(ctx context.Context, pool *pgxpool.Pool) (map[string]int, error) {
	all := map[string]int{}
	var id int64
	var sealed []byte
	err := store.Each(ctx, pool, "read authenticators", []any{&id, &sealed}, func() error {
		all[secret.KeyOf(sealed)]++
		return nil
	}, allCodes)
	return all, err
}

// Reseal seals the secrets of authenticators with the first key that are sealed with another
// one, so that the other may go.
func Reseal(ctx context.Context, pool *pgxpool.Pool, keys secret.Keyring) error {
	type row struct {
		id     int64
		sealed []byte
	}
	var stale []row
	var r row
	if err := store.Each(ctx, pool, "read authenticators", []any{&r.id, &r.sealed}, func() error {
		if keys.Stale(r.sealed) {
			stale = append(stale, r)
		}
		r.sealed = nil
		return nil
	}, allCodes); err != nil {
		return err
	}
	for _, s := range stale {
		text, err := keys.Open(s.sealed, sealedFor(s.id))
		if err != nil {
			return fmt.Errorf("the authenticator of user %d: %w", s.id, err)
		}
		sealed, err := keys.Seal(text, sealedFor(s.id))
		if err != nil {
			return err
		}
		if _, err := pool.Exec(ctx, resealCodes, s.id, s.sealed, sealed); err != nil {
			return fmt.Errorf("seal an authenticator anew: %w", err)
		}
	}
	return nil
}
