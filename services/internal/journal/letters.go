package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

// Letter is a dead letter as it is kept.
type Letter struct {
	*chorusv1.DeadLetter
	// Chat is the name of the chat that it belongs to; empty if that can't be told.
	Chat string
	// ReplayedAt is when it was last replayed; zero if it never was.
	ReplayedAt time.Time
	Replays    int
}

// LetterFilter chooses dead letters; the zero filter chooses all.
type LetterFilter struct {
	ID     string
	Stream string
	Chat   string // its name
	// OlderThan and Since are how long ago it was buried, at least and at most; zero is
	// any time.
	OlderThan, Since time.Duration
	// Unreplayed leaves those out that were replayed.
	Unreplayed bool
}

// ErrNoLetter says that there is no such dead letter.
var ErrNoLetter = errors.New("there is no such dead letter")

const letterFilter = `
FROM dead_letters l LEFT JOIN chats c ON c.id = l.chat_id
WHERE ($1 = '' OR l.id = $1) AND ($2 = '' OR l.stream = $2) AND ($3 = '' OR c.name = $3)
  AND ($4::interval = '0' OR l.created_at < now() - $4::interval) AND ($5::interval = '0' OR l.created_at >= now() - $5::interval)
  AND (NOT $6 OR l.replays = 0)`

const findLetters = `
SELECT l.payload, coalesce(c.name, ''), coalesce(l.replayed_at, 'epoch'), l.replays` + letterFilter + `
ORDER BY l.created_at DESC, l.id DESC LIMIT $7`

func (f LetterFilter) args() []any {
	return []any{f.ID, f.Stream, f.Chat, f.OlderThan, f.Since, f.Unreplayed}
}

// FindLetters gives the newest dead letters, up to limit.
func (j *Journal) FindLetters(ctx context.Context, f LetterFilter, limit int) ([]Letter, error) {
	rows, err := j.pool.Query(ctx, findLetters, append(f.args(), limit)...)
	if err != nil {
		return nil, fmt.Errorf("find dead letters: %w", err)
	}
	letters, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Letter, error) {
		l := Letter{DeadLetter: &chorusv1.DeadLetter{}}
		var payload []byte
		if err := row.Scan(&payload, &l.Chat, &l.ReplayedAt, &l.Replays); err != nil {
			return l, err
		}
		if l.Replays == 0 {
			l.ReplayedAt = time.Time{}
		}
		return l, proto.Unmarshal(payload, l.DeadLetter)
	})
	if err != nil {
		return nil, fmt.Errorf("find dead letters: %w", err)
	}
	return letters, nil
}

// PurgeLetters deletes dead letters, and tells how many. The turns that they
// belong to stay dead.
func (j *Journal) PurgeLetters(ctx context.Context, f LetterFilter) (int64, error) {
	tag, err := j.pool.Exec(ctx, `DELETE FROM dead_letters WHERE id IN (SELECT l.id `+letterFilter+`)`, f.args()...)
	if err != nil {
		return 0, fmt.Errorf("purge dead letters: %w", err)
	}
	return tag.RowsAffected(), nil
}

const (
	lockLetter = `SELECT coalesce(chat_id, 0), coalesce(turn_no, 0), now() FROM dead_letters WHERE id = $1 FOR UPDATE`
	lockDead   = `SELECT payload FROM turns WHERE chat_id = $1 AND turn_no = $2 AND outcome = 'dead' FOR UPDATE`
	lockCalled = `SELECT payload FROM deliveries WHERE chat_id = $1 AND turn_no = $2 FOR UPDATE`

	reopenTurn = `
UPDATE turns SET outcome = NULL, closed_at = NULL, expires_at = $3, payload = $4, publication = publication + 1, bus_sequence = NULL,
    relay_at = CASE WHEN $5 THEN now() END
WHERE chat_id = $1 AND turn_no = $2`
	reopenDelivery = `
UPDATE deliveries SET state = 'pending', closed_at = NULL, expires_at = $3, payload = $4, publication = publication + 1, bus_sequence = NULL,
    relay_at = now()
WHERE chat_id = $1 AND turn_no = $2`
	countReplay = `UPDATE dead_letters SET replayed_at = now(), replays = replays + 1 WHERE id = $1`
)

// Replay gives a dead turn another chance: it is open again, with the identity
// that it had and what the journal holds of it, and good for a while from now. A
// relay publishes it.
func (j *Journal) Replay(ctx context.Context, id string, good time.Duration) error {
	err := pgx.BeginFunc(ctx, j.pool, func(tx pgx.Tx) error {
		var chat, number int64
		var now time.Time
		err := tx.QueryRow(ctx, lockLetter, id).Scan(&chat, &number, &now)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ErrNoLetter
		case err != nil:
			return err
		case number == 0:
			return errors.New("it belongs to no turn, so there is nothing to replay: purge it")
		}
		if err := reopen(ctx, tx, chat, number, now.Add(good)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, countReplay, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("replay dead letter %s: %w", id, err)
	}
	return nil
}

func reopen(ctx context.Context, tx pgx.Tx, chat, number int64, until time.Time) error {
	var payload, called []byte
	var turn chorusv1.Turn
	err := tx.QueryRow(ctx, lockDead, chat, number).Scan(&payload)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("turn %d-%d is not dead any more: it was replayed already, or is gone", chat, number)
	}
	if err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, lockCalled, chat, number).Scan(&called); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if payload, err = rewrite(payload, &turn, func() { turn.ExpiresAt = timestamppb.New(until) }); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, reopenTurn, chat, number, until, payload, called == nil); err != nil {
		return err
	}
	if called == nil {
		return nil
	}
	var delivery chorusv1.Delivery
	if called, err = rewrite(called, &delivery, func() { delivery.ExpiresAt = timestamppb.New(until) }); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, reopenDelivery, chat, number, until, called)
	return err
}

// rewrite changes an encoded message.
func rewrite(payload []byte, m proto.Message, change func()) ([]byte, error) {
	if err := proto.Unmarshal(payload, m); err != nil {
		return nil, fmt.Errorf("decode what the journal holds: %w", err)
	}
	change()
	changed, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode it again: %w", err)
	}
	return changed, nil
}
