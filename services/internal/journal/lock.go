package journal

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// Whatever changes turns and deliveries locks the turns first, then the deliveries, each in
// the order of their keys, and dead letters last. So no two transactions wait for each
// other. A statement locks what it changes by parts of its own, because a join changes rows
// in any order.
const (
	lockTurns = `-- lock turns
SELECT FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no) JOIN turns t USING (chat_id, turn_no)
ORDER BY t.chat_id, t.turn_no FOR NO KEY UPDATE OF t`
	lockDeliveries = `-- lock deliveries
SELECT FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no) JOIN deliveries d USING (chat_id, turn_no)
ORDER BY d.chat_id, d.turn_no, d.part FOR NO KEY UPDATE OF d`
)

// lock locks turns and their deliveries. What later statements of the transaction see of
// them does not change.
func lock(ctx context.Context, tx pgx.Tx, chats, turns []int64) error {
	for _, sql := range []string{lockTurns, lockDeliveries} {
		if _, err := tx.Exec(ctx, sql, chats, turns); err != nil {
			return fmt.Errorf("lock turns: %w", err)
		}
	}
	return nil
}

// lockTurn is lock for one turn.
func lockTurn(ctx context.Context, tx pgx.Tx, id *chorusv1.TurnId) error {
	chat, turn := key(id)
	return lock(ctx, tx, []int64{chat}, []int64{turn})
}
