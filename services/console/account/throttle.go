package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/infra/remote"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

const (
	// freeTries is the number of failures without a delay. After them the delay doubles with
	// each failure, from a second to the longest.
	freeTries = 5
	// A name's longest delay is shorter than an address', because others can cause it.
	longestForName, longestForAddress = 5 * time.Minute, 15 * time.Minute
	// forgottenAfter is how long after its delay a failure still counts.
	forgottenAfter = 24 * time.Hour

	// Each try counts as a failure until it turns out to be none: those that run at the
	// same time count, too.
	takeTry = `-- console: take a try to log in
INSERT INTO login_failures AS f (who, failures, next_at) VALUES ($1, 1, $2)
ON CONFLICT (who) DO UPDATE SET failures = f.failures + 1,
    next_at = $2::timestamptz + make_interval(secs => CASE WHEN f.failures < $3 THEN 0 ELSE least($4::float8, power(2, least(f.failures - $3, 30))) END)
WHERE f.next_at <= $2`
	nextTry = `-- console: next try to log in
SELECT next_at FROM login_failures WHERE who = $1`
	giveTryBack = `-- console: give a try to log in back
UPDATE login_failures SET failures = failures - 1, next_at = $2 WHERE who = $1 AND failures > 0`
	forgetTries = `-- console: forget tries to log in
DELETE FROM login_failures WHERE who = $1`
)

// throttledError reports too many tries.
type throttledError struct{ wait time.Duration }

func (e *throttledError) Error() string {
	return fmt.Sprintf("too many tries: wait for %v", max(e.wait, time.Second).Round(time.Second))
}

// try counts an attempt of an address, and of a name unless that is empty. It fails for
// those that have to wait. right tells that what was tried is right, and in that it was
// all that is asked for: the name's failures before count until then, or who knows a
// password could guess codes without end.
func (a *Area) try(ctx context.Context, address, name string) (right func(ctx context.Context, in bool) error, err error) {
	now := a.Now()
	network := "address " + remote.Network(address)
	who := map[string]time.Duration{network: longestForAddress}
	named := "name " + strings.ToLower(name)
	if name != "" {
		who[named] = longestForName
	}
	var wait time.Duration
	err = store.InTx(ctx, a.Pool, func(tx pgx.Tx) error {
		for _, key := range []string{network, named} { // always in this order
			longest, counts := who[key]
			if !counts {
				continue
			}
			tag, err := tx.Exec(ctx, takeTry, key, now, freeTries, longest.Seconds())
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 1 {
				continue
			}
			var next time.Time
			if err := tx.QueryRow(ctx, nextTry, key).Scan(&next); err != nil {
				return err
			}
			wait = max(wait, next.Sub(now))
			return &throttledError{wait}
		}
		return nil
	})
	if throttled := (*throttledError)(nil); errors.As(err, &throttled) {
		return nil, operation.Invalid(err)
	}
	if err != nil {
		return nil, fmt.Errorf("count tries to log in: %w", err)
	}
	return func(ctx context.Context, in bool) error {
		_, err := a.Pool.Exec(ctx, giveTryBack, network, now)
		switch {
		case err != nil || name == "":
		case in:
			_, err = a.Pool.Exec(ctx, forgetTries, named)
		default:
			_, err = a.Pool.Exec(ctx, giveTryBack, named, now)
		}
		return err
	}, nil
}

// giveBack tells that a try of an address that an earlier request took is right.
func (a *Area) giveBack(r *http.Request) error {
	_, err := a.Pool.Exec(r.Context(), giveTryBack, "address "+remote.Network(remote.Address(r, a.Forwarded)), a.Now())
	return err
}
