package journal

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// Claimed rows are left alone until their claim is over for a minute, longer than any call
// takes. A delivery whose sender died in the middle of a call, and that nobody took over,
// ends as unknown. A delivery with a valid claim keeps its turn open.
const (
	expire = `-- end overdue turns
WITH due AS (
    SELECT t.chat_id, t.turn_no FROM turns t
    WHERE t.closed_at IS NULL AND t.expires_at < now() - $1::interval` + unclaimed + `
    ORDER BY t.chat_id, t.turn_no LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)` + endDue
	expireTurns = `-- end turns
WITH due AS (
    SELECT t.chat_id, t.turn_no FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no) JOIN turns t USING (chat_id, turn_no)
    WHERE t.closed_at IS NULL` + unclaimed + `
    ORDER BY t.chat_id, t.turn_no FOR NO KEY UPDATE OF t SKIP LOCKED)` + endDue

	unclaimed = ` AND (t.claimed_until IS NULL OR t.claimed_until < now() - $3::interval)
      AND NOT EXISTS (
        SELECT FROM deliveries d
        WHERE d.chat_id = t.chat_id AND d.turn_no = t.turn_no AND d.closed_at IS NULL AND d.claimed_until >= now() - $3::interval)`
	endDue = `,
unsent AS MATERIALIZED (
    SELECT d.chat_id, d.turn_no, d.part FROM deliveries d JOIN due USING (chat_id, turn_no)
    WHERE d.closed_at IS NULL AND (d.claimed_until IS NULL OR d.claimed_until < now() - $3::interval)
    ORDER BY d.chat_id, d.turn_no, d.part FOR NO KEY UPDATE OF d),
parts AS (
    UPDATE deliveries d SET state = 'closed', owner = NULL, claimed_until = NULL, not_before = NULL, closed_at = now(), reason = $4,
        outcome = CASE WHEN d.state = 'sending' THEN 'unknown' ELSE 'expired' END, fence = d.fence + 1
    FROM unsent u WHERE d.chat_id = u.chat_id AND d.turn_no = u.turn_no AND d.part = u.part
    RETURNING d.chat_id, d.turn_no, d.part, d.outcome)
UPDATE turns t SET closed_at = now(), written_at = coalesce(t.written_at, now()), owner = NULL, claimed_until = NULL, fence = t.fence + 1, reason = $4,
    outcome = coalesce((SELECT p.outcome FROM parts p WHERE p.chat_id = t.chat_id AND p.turn_no = t.turn_no ORDER BY part LIMIT 1), 'expired')
FROM due WHERE t.chat_id = due.chat_id AND t.turn_no = due.turn_no
  AND NOT EXISTS (
    SELECT FROM deliveries d LEFT JOIN parts p ON p.chat_id = d.chat_id AND p.turn_no = d.turn_no AND p.part = d.part
    WHERE d.chat_id = t.chat_id AND d.turn_no = t.turn_no AND d.closed_at IS NULL AND p.part IS NULL)
RETURNING t.chat_id, t.turn_no`
)

// abandoned is the time after a claim's end when the row counts as abandoned.
const abandoned = time.Minute

// Expire ends up to limit open, unclaimed turns that expired longer than grace ago, because
// a service is down. It returns their ids.
func (j *Journal) Expire(ctx context.Context, grace time.Duration, limit int) ([]*chorusv1.TurnId, error) {
	return j.ended(ctx, "end overdue turns", expire, grace, limit, abandoned, "nobody came to it in time")
}

// ExpireTurns ends those of the turns that are open and unclaimed. It returns their ids.
func (j *Journal) ExpireTurns(ctx context.Context, turns []*chorusv1.TurnId, why string) ([]*chorusv1.TurnId, error) {
	chats, numbers := make([]int64, len(turns)), make([]int64, len(turns))
	for i, id := range inOrder(turns, func(id *chorusv1.TurnId) *chorusv1.TurnId { return id }) {
		chats[i], numbers[i] = key(id)
	}
	return j.ended(ctx, "end turns", expireTurns, chats, numbers, abandoned, why)
}

func (j *Journal) ended(ctx context.Context, what, sql string, args ...any) ([]*chorusv1.TurnId, error) {
	return claimed(ctx, j, what, func(row pgx.CollectableRow) (*chorusv1.TurnId, error) {
		id := &chorusv1.TurnId{}
		return id, row.Scan(&id.ChatId, &id.Number)
	}, sql, args...)
}
