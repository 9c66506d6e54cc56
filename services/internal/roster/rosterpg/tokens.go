package rosterpg

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Tokens encrypts and decrypts the tokens of bots. A sealed token is bound to its bot's name: it
// can't be decrypted in another bot's row. It is safe for concurrent use.
type Tokens struct{ Keyring secret.Keyring }

// Seal encrypts a bot's token. The same token gives different bytes each time.
func (t Tokens) Seal(bot string, token secret.String) ([]byte, error) {
	sealed, err := t.Keyring.Seal([]byte(token.Reveal()), additional(bot))
	if err != nil {
		return nil, fmt.Errorf("seal the token of bot %s: %w", bot, err)
	}
	return sealed, nil
}

// Open decrypts a bot's token. Errors wrap those of secret.Keyring.Open and never contain the
// token.
func (t Tokens) Open(bot string, sealed []byte) (secret.String, error) {
	text, err := t.Keyring.Open(sealed, additional(bot))
	if err != nil {
		return secret.String{}, fmt.Errorf("open the token of bot %s: %w", bot, err)
	}
	return secret.New(string(text)), nil
}

func additional(bot string) []byte { return []byte("bots.token_sealed:" + bot) }

// AccountID returns the id of a token's bot: the number before the colon. The error doesn't repeat
// the token.
func AccountID(token secret.String) (int64, error) {
	text := token.Reveal()
	if !regexp.MustCompile(`^[1-9][0-9]{0,17}:[A-Za-z0-9_-]+$`).MatchString(text) {
		return 0, errors.New("is no bot token: want NUMBER:LETTERS, as @BotFather gives it")
	}
	number, _, _ := strings.Cut(text, ":")
	return strconv.ParseInt(number, 10, 64)
}

const (
	// Pruned bots keep their tokens, because they may come back.
	selectTokens = `SELECT id, name, token_sealed, enabled AND removed_at IS NULL FROM bots ORDER BY id` //nolint:gosec // a statement
	// The bot's state doesn't change: its token is the same.
	resealToken = `UPDATE bots SET token_sealed = $2 WHERE id = $1` //nolint:gosec // a statement
	// lockedTokens locks the rows that a rotation reads.
	lockedTokens = selectTokens + ` FOR NO KEY UPDATE`
)

// TokenState describes the seal of one bot's token.
type TokenState struct {
	Bot string
	// Plays is false for a bot that is disabled or was pruned.
	Plays bool
	// Key is the id of the key that sealed it, from secret.KeyOf.
	Key string
	// Stale reports that another key than the first one sealed it.
	Stale bool
	// Err says why it can't be decrypted: see secret.Keyring.Open.
	Err error
}

type sealedToken struct {
	TokenState

	id     int64
	sealed []byte
}

func (t Tokens) read(ctx context.Context, db store.Querier, query string) ([]sealedToken, error) {
	all, err := store.Collect(ctx, db, "read the tokens", func(row pgx.CollectableRow) (sealedToken, error) {
		var s sealedToken
		err := row.Scan(&s.id, &s.Bot, &s.sealed, &s.Plays)
		return s, err
	}, query)
	if err != nil {
		return nil, err
	}
	for i := range all {
		s := &all[i]
		s.Stale, s.Key = t.Keyring.Stale(s.sealed), secret.KeyOf(s.sealed)
		_, s.Err = t.Open(s.Bot, s.sealed)
	}
	return all, nil
}

// States returns the state of every bot's token.
func (t Tokens) States(ctx context.Context, db store.Querier) ([]TokenState, error) {
	all, err := t.read(ctx, db, selectTokens)
	states := make([]TokenState, len(all))
	for i, s := range all {
		states[i] = s.TokenState
	}
	return states, err
}

// Openable returns an error if a key of a token is missing whose bot plays.
func (t Tokens) Openable(ctx context.Context, db store.Querier) error {
	states, err := t.States(ctx, db)
	if err != nil {
		return err
	}
	var closed []TokenState
	for _, s := range states {
		if s.Plays && errors.Is(s.Err, secret.ErrNoKey) {
			closed = append(closed, s)
		}
	}
	if len(closed) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d bots' tokens can't be opened, the first: %w (secret.keys must have every key that sealed one)",
		len(closed), len(states), closed[0].Err)
}

// Rotate seals with the first key every token that another key sealed, in one transaction, and
// returns the new states. Tokens that can't be decrypted stay as they are. A process with both keys
// can decrypt a token before and after.
func (t Tokens) Rotate(ctx context.Context, pool *pgxpool.Pool) (resealed int, states []TokenState, err error) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, applyLock); err != nil {
			return fmt.Errorf("lock the roster: %w", err)
		}
		all, err := t.read(ctx, tx, lockedTokens)
		if err != nil {
			return err
		}
		var batch pgx.Batch
		for i := range all {
			s := &all[i]
			if !s.Stale || s.Err != nil {
				continue
			}
			token, err := t.Open(s.Bot, s.sealed)
			if err != nil {
				return err
			}
			sealed, err := t.Seal(s.Bot, token)
			if err != nil {
				return err
			}
			batch.Queue(resealToken, s.id, sealed)
			s.Stale = false
			resealed++
		}
		for _, s := range all {
			states = append(states, s.TokenState)
		}
		if resealed == 0 {
			return nil
		}
		if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
			return fmt.Errorf("write the tokens: %w", err)
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("seal the tokens anew, nothing was changed: %w", err)
	}
	return resealed, states, nil
}

// StaleCount returns the number of tokens that Rotate could seal.
func StaleCount(states []TokenState) int {
	return len(slices.DeleteFunc(slices.Clone(states), func(s TokenState) bool { return !s.Stale || s.Err != nil }))
}
