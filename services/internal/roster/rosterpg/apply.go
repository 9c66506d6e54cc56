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
	// applyLock serialises applies: of two concurrent ones, the second sees the result of the
	// first. The number is arbitrary.
	applyLock = `SELECT pg_advisory_xact_lock(7230501894617)`
	// Changes by the services (a chat that moves, a token that is refused) wait for the end of the
	// transaction, so that it doesn't overwrite them.
	lockBots  = `SELECT FROM bots ORDER BY id FOR NO KEY UPDATE`
	lockChats = `SELECT FROM chats ORDER BY id FOR NO KEY UPDATE`
)

// applyTimeout limits an apply, including the wait for another one.
const applyTimeout = 60 * time.Second

// ErrChanged reports that the roster has changed since a plan was made.
var ErrChanged = errors.New("the roster has changed since the plan was shown: look at it again")

// Request is an apply of a cast.
type Request struct {
	// Wanted is normalised and valid. New bots have their Secret and AccountID, and new chats a
	// TelegramID.
	Wanted roster.Cast
	// Prune removes what Wanted doesn't name.
	Prune bool
	// By names the author for the history.
	By string
	// Approve, if set, is called inside the transaction, and again if the transaction is retried.
	// If it returns an error, Apply returns it and changes nothing.
	Approve func(current roster.Cast, plan roster.Plan) error
}

// Apply makes the wanted cast the current one in one transaction, and stores it as a version.
// Applying it again changes nothing.
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
	// attempts limits the tries of an apply that meets a deadlock: a new token or name may conflict
	// with a transaction that is writing about the bot.
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

// explain returns the database's refusal in the user's terms.
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
