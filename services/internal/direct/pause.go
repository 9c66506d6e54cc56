package direct

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Pause pauses a bot in a chat; 0 means all bots, or all chats.
type Pause struct {
	Chat  int64     `json:"chat_id,omitempty"`
	Bot   int64     `json:"bot_id,omitempty"`
	By    string    `json:"by"`
	Since time.Time `json:"since"`
	// Until is its end; nil if only a person ends it.
	Until *time.Time `json:"until,omitempty"`
}

const (
	known = `-- direct: look for a chat and a bot
SELECT ($1::bigint = 0 OR EXISTS (SELECT FROM chats WHERE id = $1 AND removed_at IS NULL))
    AND ($2::bigint = 0 OR EXISTS (SELECT FROM bots b WHERE id = $2 AND removed_at IS NULL
        AND ($1::bigint = 0 OR EXISTS (SELECT FROM cast_members m WHERE m.chat_id = $1 AND m.bot_id = b.id))))`

	// A planner that has read a chat before its clock moves writes nothing: so no turn is planned
	// from the state before. A chat that waits for the end of a pause becomes due now.
	moveClocks = `-- direct: move clocks
WITH concerned AS (
    SELECT chat_id FROM chat_clock k
    WHERE ($1::bigint = 0 OR chat_id = $1) AND ($2::bigint = 0 OR EXISTS (SELECT FROM cast_members m WHERE m.chat_id = k.chat_id AND m.bot_id = $2))
    ORDER BY chat_id FOR UPDATE)
UPDATE chat_clock k SET next_turn_at = CASE WHEN waiting_for IN ('paused', 'muted') THEN now() ELSE next_turn_at + interval '1 microsecond' END
FROM concerned WHERE k.chat_id = concerned.chat_id`

	putPause = `-- direct: pause
INSERT INTO pauses (chat_id, bot_id, by, until) VALUES ($1, $2, $3, now() + $4::interval)
ON CONFLICT (chat_id, bot_id) DO UPDATE SET by = EXCLUDED.by, since = now(), until = EXCLUDED.until`
	endPause  = `DELETE FROM pauses WHERE chat_id = $1 AND bot_id = $2 AND (until IS NULL OR until > now())`
	overPause = `DELETE FROM pauses WHERE until <= now()`

	pauses = `-- direct: pauses
SELECT chat_id, bot_id, by, since, until FROM pauses
WHERE ($1::bigint = 0 OR chat_id IN ($1, 0)) AND (until IS NULL OR until > now()) ORDER BY chat_id, bot_id`
)

// longestPause limits a pause with an end.
const longestPause = 365 * 24 * time.Hour

// Pause pauses a bot in a chat (0 for all) for a time, or, for 0, until Resume. From then on
// nothing is planned there, and planned turns that aren't being sent are dropped. Commands are
// still answered.
func (d *Director) Pause(ctx context.Context, chat, bot int64, by string, length time.Duration) error {
	if length < 0 || length > longestPause {
		return wrong("for", length.String(), "a time up to a year, or none")
	}
	var lasts *time.Duration
	why := "paused by " + by
	if bot != 0 {
		why = "muted by " + by
	}
	if length > 0 {
		lasts = &length
	}
	return d.change(ctx, chat, bot, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, moveClocks, chat, bot); err != nil {
			return fmt.Errorf("move clocks: %w", err)
		}
		if _, err := tx.Exec(ctx, putPause, chat, bot, by, lasts); err != nil {
			return fmt.Errorf("pause: %w", err)
		}
		return d.Journal.Drop(ctx, tx, chat, bot, why)
	})
}

// Resume ends a pause. It returns RefusedError if there is none.
func (d *Director) Resume(ctx context.Context, chat, bot int64) error {
	return d.change(ctx, chat, bot, func(tx pgx.Tx) error {
		ended, err := tx.Exec(ctx, endPause, chat, bot)
		switch {
		case err != nil:
			return fmt.Errorf("end a pause: %w", err)
		case ended.RowsAffected() == 0:
			return RefusedError("it is not paused")
		}
		return nil
	})
}

// change runs a change of a chat and a bot, 0 for all, in a transaction.
func (d *Director) change(ctx context.Context, chat, bot int64, do func(pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	return store.InTx(ctx, d.Pool, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, known, chat, bot).Scan(&there); err != nil {
			return fmt.Errorf("look for chat and bot: %w", err)
		}
		if !there {
			return ErrNone
		}
		if _, err := tx.Exec(ctx, overPause); err != nil {
			return fmt.Errorf("forget pauses that are over: %w", err)
		}
		return do(tx)
	})
}

// Pauses returns the pauses that hold in a chat, including those of all chats; 0 returns all.
func (d *Director) Pauses(ctx context.Context, chat int64) ([]Pause, error) {
	return store.Collect(ctx, d.Pool, "read pauses", pgx.RowToStructByPos[Pause], pauses, chat)
}
