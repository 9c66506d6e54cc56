package journal

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Deliveries with a call under way are left alone, because the call may have an effect.
const (
	ofDropped     = `closed_at IS NULL AND ($1::bigint = 0 OR chat_id = $1) AND ($2::bigint = 0 OR bot_id = $2)`
	dropDelivery  = `state IN ('waiting', 'claimed') AND lane <> 'command' AND ` + ofDropped
	lockDropTurns = `-- lock turns to drop
SELECT FROM turns WHERE kind <> 'command' AND ` + ofDropped + ` ORDER BY chat_id, turn_no FOR NO KEY UPDATE`
	lockDropDeliveries = `-- lock deliveries to drop
SELECT FROM deliveries WHERE ` + dropDelivery + ` ORDER BY chat_id, turn_no, part FOR NO KEY UPDATE`
	dropTurns = `-- drop turns
WITH parts AS (
    UPDATE deliveries SET state = 'closed', outcome = 'expired', reason = $3, closed_at = now(),
        owner = NULL, claimed_until = NULL, not_before = NULL, fence = fence + 1
    WHERE ` + dropDelivery + `
    RETURNING chat_id, turn_no, part)
UPDATE turns t SET outcome = 'expired', reason = $3, closed_at = now(), written_at = coalesce(t.written_at, now()),
    owner = NULL, claimed_until = NULL, not_before = NULL, fence = t.fence + 1
WHERE kind <> 'command' AND ` + ofDropped + `
  AND NOT EXISTS (
    SELECT FROM deliveries d LEFT JOIN parts p ON p.chat_id = d.chat_id AND p.turn_no = d.turn_no AND p.part = d.part
    WHERE d.chat_id = t.chat_id AND d.turn_no = t.turn_no AND d.closed_at IS NULL AND p.part IS NULL)`
)

// Drop ends, as expired, what a bot has not said yet in a chat; 0 means all bots, or all
// chats. Texts in work are discarded. Calls under way and answers to commands go on.
func (j *Journal) Drop(ctx context.Context, tx pgx.Tx, chat, bot int64, why string) error {
	for _, sql := range []string{lockDropTurns, lockDropDeliveries} {
		if _, err := tx.Exec(ctx, sql, chat, bot); err != nil {
			return fmt.Errorf("lock turns to drop: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, dropTurns, chat, bot, readable(why)); err != nil {
		return fmt.Errorf("drop turns: %w", err)
	}
	return nil
}
