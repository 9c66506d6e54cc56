package listener

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/names"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

const (
	// identifyEvery is how often Telegram is asked what a bot is called: a new name
	// from @BotFather is heard no later than that.
	identifyEvery = 10 * time.Minute
	// identifyRetry is the same after an answer that told nothing.
	identifyRetry = 15 * time.Second
)

// identify keeps a bot's account and username as Telegram knows them until the
// context ends: people name bots by these, and cast files need not have them.
func (l *Listener) identify(ctx context.Context, b bot, token secret.String, log *zap.Logger) {
	for {
		_, wait := l.introduce(ctx, b, token, log)
		next := time.NewTimer(wait)
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return
		}
	}
}

// introduce asks Telegram who a bot is. It tells whether that was news, and when to
// ask again.
func (l *Listener) introduce(ctx context.Context, b bot, token secret.String, log *zap.Logger) (news bool, again time.Duration) {
	me, out := l.Telegram.GetMe(ctx, token)
	if ctx.Err() != nil {
		return false, identifyRetry
	}
	l.Metrics.called("getMe", out)
	if out.Kind != telegram.Done {
		return false, max(identifyRetry, out.RetryAfter)
	}
	news, err := l.rename(ctx, b, me, log)
	if err != nil {
		if ctx.Err() == nil {
			log.Warn("a bot's username is not written down, and is asked for again", zap.Error(err))
		}
		return false, identifyRetry
	}
	return news, identifyEvery
}

const (
	// Telegram gives an account and a username to one bot only: another that has it
	// here has given it up, or never had it.
	freeName = `
UPDATE bots SET username = CASE WHEN lower(username) = lower($2) THEN NULL ELSE username END,
    telegram_id = CASE WHEN telegram_id = $3 THEN NULL ELSE telegram_id END, updated_at = now()
WHERE id <> $1 AND (lower(username) = lower($2) OR telegram_id = $3)
  AND EXISTS (SELECT FROM bots WHERE id = $1 AND token_sealed = $4)`
	setName = `
WITH named AS (
    UPDATE bots SET username = $2, telegram_id = $3, updated_at = now()
    WHERE id = $1 AND token_sealed = $4 AND (username IS DISTINCT FROM $2 OR telegram_id IS DISTINCT FROM $3) RETURNING id)
SELECT pg_notify('chorus_roster', 'listener') FROM named`
)

// rename writes down what a bot is called, and tells whether that is new.
func (l *Listener) rename(ctx context.Context, b bot, me telegram.Me, log *zap.Logger) (news bool, err error) {
	username := names.Username(me.Username)
	if username == "" || me.ID <= 0 || username == b.Username && me.ID == b.Account {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	err = store.InTx(ctx, l.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, freeName, b.ID, username, me.ID, b.sealed); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, setName, b.ID, username, me.ID, b.sealed)
		news = err == nil && tag.RowsAffected() > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("write a bot's username: %w", err)
	}
	if news {
		log.Info("Telegram told a bot's username", zap.String("username", username), zap.String("before", b.Username))
		l.Wake()
	}
	return news, nil
}
