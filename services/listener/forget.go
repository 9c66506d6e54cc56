package listener

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/people"
)

const (
	// Messages have Telegram's times, which are whole seconds: until the end of that of
	// the command. Who tries again finds the message gone, and what was written down
	// with that.
	forgetUntil = `
SELECT sent_at + interval '1 second' FROM messages WHERE chat_id = $1 AND number = $2
UNION ALL SELECT at FROM forgotten WHERE person_id = $3 LIMIT 1`
	updatesOf = `
SELECT chat_id, number, coalesce(bus_sequence, 0), published_at IS NOT NULL
FROM updates WHERE person_id = $1 AND heard_at < $2 ORDER BY chat_id, number LIMIT $3`
	dropUpdates = `
DELETE FROM updates u USING unnest($1::bigint[], $2::bigint[]) AS d(chat_id, number)
WHERE u.chat_id = d.chat_id AND u.number = d.number`
)

// eraseBatch is how many updates are erased at once.
const eraseBatch = 200

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
	return &people.Erasure{Pool: l.Pool, Journal: l.journal, Bus: l.Bus, Updates: func(ctx context.Context, person int64) error {
		return l.erase(ctx, updatesOf, person, l.Now())
	}}
}

// erased is an update that is to go.
type erased struct {
	Chat, Number, Sequence int64
	Published              bool
}

// erase deletes updates from the bus and then from the database, so that none is
// left of which nobody knows. Those that are not published yet are first.
func (l *Listener) erase(ctx context.Context, find string, args ...any) error {
	for ctx.Err() == nil {
		found, err := l.find(ctx, find, append(args, eraseBatch)...)
		if err != nil || len(found) == 0 {
			return err
		}
		var chats, numbers, open []int64
		var sequences []uint64
		for _, u := range found {
			if !u.Published {
				open = append(open, u.Chat)
				continue
			}
			chats, numbers = append(chats, u.Chat), append(numbers, u.Number)
			if u.Sequence > 0 {
				sequences = append(sequences, uint64(u.Sequence))
			}
		}
		if err := l.outbox.Flush(ctx, open...); err != nil {
			return err
		}
		if err := l.Bus.Erase(ctx, subject.Updates, sequences...); err != nil {
			return err
		}
		dropping, cancel := context.WithTimeout(ctx, dbTimeout)
		_, err = l.Pool.Exec(dropping, dropUpdates, chats, numbers)
		cancel()
		if err != nil {
			return fmt.Errorf("delete updates: %w", err)
		}
	}
	return ctx.Err()
}

func (l *Listener) find(ctx context.Context, sql string, args ...any) ([]erased, error) {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	rows, err := l.Pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("find updates: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[erased])
	if err != nil {
		return nil, fmt.Errorf("find updates: %w", err)
	}
	return found, nil
}
