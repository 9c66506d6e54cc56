package journal

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// Every transaction that changes turns and deliveries locks the turns first, then the
// deliveries, both in the order of their keys, and dead letters last. So transactions can't
// deadlock. Statements lock in a separate part, because a join updates rows in any order.
const (
	lockTurns = `-- lock turns
SELECT FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no) JOIN turns t USING (chat_id, turn_no)
ORDER BY t.chat_id, t.turn_no FOR NO KEY UPDATE OF t`
	lockDeliveries = `-- lock deliveries
SELECT FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no) JOIN deliveries d USING (chat_id, turn_no)
ORDER BY d.chat_id, d.turn_no, d.part FOR NO KEY UPDATE OF d`
)

// lock locks turns and their deliveries. Later statements of the transaction see no foreign
// change.
func lock(ctx context.Context, tx pgx.Tx, chats, turns []int64) error {
	for _, sql := range []string{lockTurns, lockDeliveries} {
		if _, err := tx.Exec(ctx, sql, chats, turns); err != nil {
			return fmt.Errorf("lock turns: %w", err)
		}
	}
	return nil
}

// lockTurn locks one turn and its deliveries.
func lockTurn(ctx context.Context, tx pgx.Tx, id *chorusv1.TurnId) error {
	chat, turn := key(id)
	return lock(ctx, tx, []int64{chat}, []int64{turn})
}
