package listener

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/internal/people"
)

// Messages have Telegram's times, which are whole seconds: until the end of that of
// the command. Who tries again finds the message gone, and what was written down
// with that.
const forgetUntil = `
SELECT sent_at + interval '1 second' FROM messages WHERE chat_id = $1 AND number = $2
UNION ALL SELECT at FROM forgotten WHERE person_id = $3 LIMIT 1`

// forget deletes what is kept of a person, and what bots said about them, up to when
// they asked for it. To do it again changes nothing more.
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
