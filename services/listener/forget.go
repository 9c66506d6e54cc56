package listener

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/people"
)

// Messages have Telegram's times in whole seconds, so the limit is the end of the command's
// second. On a retry the message may be deleted already. Then the limit is the one that the
// first try wrote to forgotten.
const forgetUntil = `
SELECT sent_at + interval '1 second' FROM messages WHERE chat_id = $1 AND number = $2
UNION ALL SELECT at FROM forgotten WHERE person_id = $3 LIMIT 1`

// forget deletes what is stored of a person, and what bots said about them, up to the time
// of the command. A repetition changes nothing more.
func (l *Listener) forget(ctx context.Context, c command) error {
	until := c.SaidAt
	if err := l.Pool.QueryRow(ctx, forgetUntil, c.Chat, c.Message, c.Person).Scan(&until); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look when a person asked to be forgotten: %w", err)
	}
	if err := l.erasure().Forget(ctx, c.Person, until); err != nil {
		return err
	}
	select {
	case l.erased <- struct{}{}:
	default:
	}
	return nil
}

func (l *Listener) erasure() *people.Erasure {
	return &people.Erasure{Pool: l.Pool, Journal: l.journal}
}
