package journal

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

const (
	insertLetter = `
INSERT INTO dead_letters (id, stream, chat_id, turn_no, reason, payload, relay_at)
VALUES ($1, $2, nullif($3::bigint, 0), nullif($4::bigint, 0), $5, $6, now())
ON CONFLICT DO NOTHING`
	deadDelivery = `
UPDATE deliveries SET state = 'closed', owner = NULL, not_before = NULL, closed_at = now(), relay_at = NULL
WHERE chat_id = $1 AND turn_no = $2 AND closed_at IS NULL`
	deadTurn = `
UPDATE turns SET outcome = 'dead', closed_at = now(), relay_at = NULL
WHERE chat_id = $1 AND turn_no = $2 AND outcome IS NULL`
)

// Bury writes a dead letter down and ends its turn. Burying it again changes
// nothing. The relay of dead letters publishes it.
func (j *Journal) Bury(ctx context.Context, letter *chorusv1.DeadLetter) error {
	if letter.GetLastAt() == nil {
		letter.LastAt = timestamppb.New(j.now())
	}
	payload, err := proto.Marshal(letter)
	if err != nil {
		return fmt.Errorf("encode dead letter: %w", err)
	}
	chat, turn := key(letter.GetTurn())
	err = pgx.BeginFunc(ctx, j.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, insertLetter, letter.GetId(), letter.GetStream(), chat, turn, letter.GetReason(), payload)
		if err != nil || tag.RowsAffected() == 0 {
			return err // it was buried before, and may have been replayed since
		}
		if _, err := tx.Exec(ctx, deadDelivery, chat, turn); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, deadTurn, chat, turn)
		return err
	})
	if err != nil {
		return fmt.Errorf("write dead letter %s: %w", letter.GetId(), err)
	}
	return nil
}
