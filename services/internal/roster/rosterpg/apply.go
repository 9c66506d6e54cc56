package rosterpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/roster"
)

const (
	// applyLock serialises applies: of two at once, the second sees what the
	// first one made. The number is arbitrary.
	applyLock = `SELECT pg_advisory_xact_lock(7230501894617)`
	// What services change on their own (a chat that moves, a token that is
	// refused) waits for the end of the transaction, so that it isn't overwritten.
	lockBots  = `SELECT FROM bots ORDER BY id FOR NO KEY UPDATE`
	lockChats = `SELECT FROM chats ORDER BY id FOR NO KEY UPDATE`
)

// applyTimeout bounds an apply, waiting for another one included.
const applyTimeout = 60 * time.Second

// ErrChanged says that the roster is no longer what a plan was made for.
var ErrChanged = errors.New("the roster has changed since the plan was shown: look at it again")

// Request is what is to be applied.
type Request struct {
	// Wanted is normalised and valid. Its bots that are new have their Secret and
	// AccountID, and its chats that are new a TelegramID.
	Wanted roster.Cast
	// Prune removes what it does not name.
	Prune bool
	// By is who applies it, for the history.
	By string
	// Approve is asked inside the transaction, and again if that has to be repeated;
	// its error is returned, and nothing is changed. It may be nil.
	Approve func(current roster.Cast, plan roster.Plan) error
}

// Apply makes the wanted cast the current one, in one transaction, and keeps it as a
// version. Applying it again changes nothing.
func Apply(ctx context.Context, pool *pgxpool.Pool, tokens Tokens, r Request) (roster.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	var plan roster.Plan
	var err error
	for range attempts {
		plan, err = applyOnce(ctx, pool, tokens, r)
		if refused := (*pgconn.PgError)(nil); !errors.As(err, &refused) || refused.Code != pgerrcodeDeadlock {
			break
		}
	}
	return plan, explain(err)
}

const (
	// attempts is how often an apply is tried that met with a deadlock: a new
	// token or name may cross a transaction that is just writing about the bot.
	attempts          = 5
	pgerrcodeDeadlock = "40P01"
)

func applyOnce(ctx context.Context, pool *pgxpool.Pool, tokens Tokens, r Request) (roster.Plan, error) {
	var plan roster.Plan
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for _, lock := range []string{applyLock, lockBots, lockChats} {
			if _, err := tx.Exec(ctx, lock); err != nil {
				return fmt.Errorf("lock the roster: %w", err)
			}
		}
		current, err := Read(ctx, tx, tokens)
		if err != nil {
			return err
		}
		plan = roster.Diff(current, r.Wanted, r.Prune)
		if r.Approve != nil {
			if err := r.Approve(current, plan); err != nil {
				return err
			}
		}
		if plan.Empty() {
			return nil
		}
		if err := write(ctx, tx, tokens, plan, r.Prune); err != nil {
			return err
		}
		return keepVersion(ctx, tx, tokens, r.By, current, plan)
	})
	return plan, err
}

func write(ctx context.Context, tx pgx.Tx, tokens Tokens, plan roster.Plan, prune bool) error {
	w := writer{tokens: tokens, prune: prune}
	w.clocks(plan)
	w.remove(plan)
	w.free(plan)
	for _, c := range plan.Changes {
		if err := w.change(c); err != nil {
			return err
		}
	}
	if err := tx.SendBatch(ctx, &w.batch).Close(); err != nil {
		return fmt.Errorf("write the changes: %w", err)
	}
	return nil
}

// explain says what a refusal of the database means to the user.
func explain(err error) error {
	refused := (*pgconn.PgError)(nil)
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.ConstraintName {
	case "bots_telegram_id_key":
		return errors.New("apply the cast: another bot has the same token, or another one of the same Telegram bot; nothing was changed")
	case "bots_username":
		return errors.New("apply the cast: another bot has the same username; nothing was changed")
	case "chats_telegram_id_key":
		return errors.New("apply the cast: another chat has the same telegram_id (if that one was pruned, its name brings it back); nothing was changed")
	}
	return fmt.Errorf("apply the cast, nothing was changed: %w", err)
}
