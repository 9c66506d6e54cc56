package journal

import (
	"context"
	"fmt"
)

// The deliveries of turns go with them. Dead letters that may be replayed stay.
//
// Turns are planned in the order of their numbers, so the oldest are the first. No
// more of them are looked at than may be deleted, and none where the first is young.
const deleteOld = `
WITH chat AS (SELECT now() - make_interval(days => retention_days) AS until FROM chats WHERE id = $1),
first AS MATERIALIZED (
    SELECT turn_no FROM chat, LATERAL (
        SELECT turn_no, planned_at FROM turns WHERE chat_id = $1 AND outcome IS DISTINCT FROM 'dead' ORDER BY turn_no LIMIT 1) t
    WHERE planned_at < until),
old AS MATERIALIZED (
    SELECT o.turn_no FROM first, chat, LATERAL (
        SELECT * FROM turns WHERE chat_id = $1 AND turn_no < first.turn_no + $2 AND planned_at < until AND outcome IS NOT NULL) o
    WHERE NOT (o.outcome = 'dead' AND EXISTS (SELECT FROM dead_letters l WHERE l.chat_id = $1 AND l.turn_no = o.turn_no))
    LIMIT $2)
DELETE FROM turns t USING old WHERE t.chat_id = $1 AND t.turn_no = old.turn_no`

// DeleteOld deletes ended turns of a chat that are older than the chat keeps things,
// of its next limit turns, and tells how many.
func (j *Journal) DeleteOld(ctx context.Context, chatID int64, limit int) (int64, error) {
	tag, err := j.pool.Exec(ctx, deleteOld, chatID, limit)
	if err != nil {
		return 0, fmt.Errorf("delete old turns: %w", err)
	}
	return tag.RowsAffected(), nil
}
