// Package settingspg stores settings in PostgreSQL and follows their changes.
package settingspg

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// channel is the notification channel of changes; the payload is the setting's key.
const channel = "chorus_settings"

// timeout limits every call to the database.
const timeout = 10 * time.Second

const (
	loadAll    = `SELECT key, scope, scope_id, value FROM settings ORDER BY key, scope, scope_id`
	chatExists = `SELECT EXISTS (SELECT FROM chats WHERE id = $1)`
	botExists  = `SELECT EXISTS (SELECT FROM bots WHERE id = $1)`
	setOne     = `
INSERT INTO settings (key, scope, scope_id, value) VALUES ($1, $2, $3, $4)
ON CONFLICT (key, scope, scope_id) DO UPDATE SET value = excluded.value, updated_at = now()`
	unsetOne = `DELETE FROM settings WHERE key = $1 AND scope = $2 AND scope_id = $3`
	announce = `SELECT pg_notify($1, $2)`
)

// Load reads all stored values, ordered by key, scope and id.
func Load(ctx context.Context, db store.Querier) ([]settings.Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return store.Collect(ctx, db, "load settings", pgx.RowToStructByPos[settings.Stored], loadAll)
}

const lockSettings = `LOCK TABLE settings IN SHARE ROW EXCLUSIVE MODE`

// LoadToChange returns the values for a transaction that changes some: until it ends, no other
// transaction can change any. Values that this version can't read are left out.
func LoadToChange(ctx context.Context, tx pgx.Tx) (*settings.Values, error) {
	if _, err := tx.Exec(ctx, lockSettings); err != nil {
		return nil, fmt.Errorf("lock settings: %w", err)
	}
	return Values(ctx, tx)
}

// Values reads all values. Values that another version stored and this one can't read are left out.
func Values(ctx context.Context, db store.Querier) (*settings.Values, error) {
	stored, err := Load(ctx, db)
	if err != nil {
		return nil, err
	}
	values, _ := settings.NewValues(stored)
	return values, nil
}

// Set sets a setting for a scope: id is the chat's or bot's, 0 globally. It validates the value by
// the table of settings; the chat or bot must exist. All watchers are notified after the commit.
func Set(ctx context.Context, pool *pgxpool.Pool, key string, scope settings.Scope, id int64, value json.RawMessage) error {
	return change(ctx, pool, func(ctx context.Context, tx pgx.Tx) error { return SetIn(ctx, tx, key, scope, id, value) })
}

// SetIn is Set in the caller's transaction.
func SetIn(ctx context.Context, tx pgx.Tx, key string, scope settings.Scope, id int64, value json.RawMessage) error {
	d, err := check(key, scope, id)
	if err != nil {
		return err
	}
	canonical, err := d.ParseJSON(value)
	if err != nil {
		return err
	}
	if err := exists(ctx, tx, d, scope, id); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, setOne, key, scope, id, canonical); err != nil {
		return fmt.Errorf("change %s: %w", key, err)
	}
	return tell(ctx, tx, key)
}

// Unset deletes a value, so that the next wider scope's value or the default holds. It reports
// whether there was one.
func Unset(ctx context.Context, pool *pgxpool.Pool, key string, scope settings.Scope, id int64) (was bool, err error) {
	err = change(ctx, pool, func(ctx context.Context, tx pgx.Tx) (err error) {
		was, err = UnsetIn(ctx, tx, key, scope, id)
		return err
	})
	return was, err
}

// UnsetIn is Unset in the caller's transaction.
func UnsetIn(ctx context.Context, tx pgx.Tx, key string, scope settings.Scope, id int64) (was bool, err error) {
	if _, err := check(key, scope, id); err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, unsetOne, key, scope, id)
	if err != nil {
		return false, fmt.Errorf("change %s: %w", key, err)
	}
	return tag.RowsAffected() > 0, tell(ctx, tx, key)
}

func tell(ctx context.Context, tx pgx.Tx, key string) error {
	if _, err := tx.Exec(ctx, announce, channel, key); err != nil {
		return fmt.Errorf("announce %s: %w", key, err)
	}
	return nil
}

func check(key string, scope settings.Scope, id int64) (*settings.Definition, error) {
	d, err := settings.Find(key)
	if err != nil {
		return nil, err
	}
	if err := d.Allows(scope); err != nil {
		return nil, err
	}
	if (scope == settings.Global) != (id == 0) {
		return nil, fmt.Errorf("%s: id %d: want 0 for the global scope, and only there", key, id)
	}
	return d, nil
}

// change runs do in one transaction.
func change(ctx context.Context, pool *pgxpool.Pool, do func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return do(ctx, tx) })
}

func exists(ctx context.Context, tx pgx.Tx, d *settings.Definition, scope settings.Scope, id int64) error {
	question := chatExists
	switch scope {
	case settings.Global:
		return nil
	case settings.Chat:
	case settings.Bot:
		question = botExists
	}
	var there bool
	if err := tx.QueryRow(ctx, question, id).Scan(&there); err != nil {
		return fmt.Errorf("look for the %s: %w", scope, err)
	}
	if !there {
		return fmt.Errorf("%s: there is no %s with the id %d", d.Key, scope, id)
	}
	return nil
}
