package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// ErrDecided says that a text waits for no decision, or is another than was looked at.
var ErrDecided = errors.New("somebody has decided on it, or its time was over")

// Each decision begins with the lock of its turn, and changes the turn's fence. So of two
// that were made at the same time, the second one finds no turn.
const (
	lockHeld = `-- lock a held turn
SELECT payload, now() FROM turns
WHERE chat_id = $1 AND turn_no = $2 AND fence = $3 AND closed_at IS NULL AND written_at IS NOT NULL AND expires_at > now() FOR NO KEY UPDATE`
	readHeld = `-- read held deliveries
SELECT part, payload FROM deliveries WHERE lane = 'held' AND chat_id = $1 AND turn_no = $2 AND closed_at IS NULL ORDER BY part FOR NO KEY UPDATE`

	// They wait for a sender from now on.
	approveHeld = `-- approve deliveries
WITH turn AS (
    UPDATE turns SET fence = fence + 1, expires_at = $3 WHERE chat_id = $1 AND turn_no = $2)
UPDATE deliveries d SET lane = 'message', fence = d.fence + 1, created_at = now(), expires_at = $3, payload = u.payload, body = nullif(u.body, '')
FROM unnest($4::smallint[], $5::bytea[], $6::text[]) AS u(part, payload, body)
WHERE d.chat_id = $1 AND d.turn_no = $2 AND d.part = u.part`
	cutHeld = `-- delete held deliveries
DELETE FROM deliveries WHERE lane = 'held' AND chat_id = $1 AND turn_no = $2 AND closed_at IS NULL AND part > $3::smallint`
	discardHeld = `-- discard deliveries
WITH parts AS (
    UPDATE deliveries SET state = 'closed', outcome = 'rejected', reason = $3, closed_at = now(), fence = fence + 1
    WHERE lane = 'held' AND chat_id = $1 AND turn_no = $2 AND closed_at IS NULL)
UPDATE turns SET outcome = 'rejected', reason = $3, closed_at = now(), fence = fence + 1 WHERE chat_id = $1 AND turn_no = $2`
	rewriteHeld = `-- have a turn written again
UPDATE turns SET written_at = NULL, payload = $3, expires_at = $4, fence = fence + 1, attempts = 0, not_before = NULL
WHERE chat_id = $1 AND turn_no = $2`
)

// held is a turn whose text waits for a person, locked.
type held struct {
	turn  *chorusv1.Turn
	now   time.Time
	parts []int16
	texts []*chorusv1.Delivery
}

// decide does something with a held turn of a version, in one transaction. ErrDecided says
// that there is none.
func (j *Journal) decide(ctx context.Context, id *chorusv1.TurnId, version int64, do func(pgx.Tx, *held) error) error {
	chat, number := key(id)
	err := store.InTx(ctx, j.pool, func(tx pgx.Tx) error {
		h := &held{}
		var payload []byte
		if err := tx.QueryRow(ctx, lockHeld, chat, number, version).Scan(&payload, &h.now); err != nil {
			return err
		}
		h.turn = decode(payload, &chorusv1.Turn{})
		var part int16
		if err := store.Each(ctx, tx, "read held deliveries", []any{&part, &payload}, func() error {
			h.parts, h.texts = append(h.parts, part), append(h.texts, decode(payload, &chorusv1.Delivery{}))
			return nil
		}, readHeld, chat, number); err != nil {
			return err
		}
		if len(h.parts) == 0 {
			return pgx.ErrNoRows
		}
		return do(tx, h)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrDecided
	case err != nil:
		return fmt.Errorf("decide on turn %s: %w", subject.TurnID(id), err)
	}
	return nil
}

// Approve lets a held text be sent, for a while from now. A text that is given is sent
// instead, as one message. The version is the turn's fence as it was looked at. Once it has
// returned, ring for the chat's messages.
func (j *Journal) Approve(ctx context.Context, id *chorusv1.TurnId, version int64, text string, good time.Duration) error {
	chat, number := key(id)
	return j.decide(ctx, id, version, func(tx pgx.Tx, h *held) error {
		if text != "" {
			h.parts, h.texts = h.parts[:1], h.texts[:1]
			h.texts[0].Text = text
			if _, err := tx.Exec(ctx, cutHeld, chat, number, h.parts[0]); err != nil {
				return err
			}
		}
		until := h.now.Add(good)
		payloads, bodies := make([][]byte, len(h.texts)), make([]string, len(h.texts))
		for i, d := range h.texts {
			d.ExpiresAt, d.CreatedAt, bodies[i] = timestamppb.New(until), timestamppb.New(h.now), d.GetText()
			var err error
			if payloads[i], err = encode(d); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, approveHeld, chat, number, until, h.parts, payloads, bodies)
		return err
	})
}

// Discard ends a held text, and its turn, for a reason.
func (j *Journal) Discard(ctx context.Context, id *chorusv1.TurnId, version int64, why string) error {
	chat, number := key(id)
	return j.decide(ctx, id, version, func(tx pgx.Tx, _ *held) error {
		_, err := tx.Exec(ctx, discardHeld, chat, number, readable(why))
		return err
	})
}

// Rewrite has a held text written again, with a note to who writes it, within a while from
// now. Once it has returned, ring for the chat's texts.
func (j *Journal) Rewrite(ctx context.Context, id *chorusv1.TurnId, version int64, note string, good time.Duration) error {
	chat, number := key(id)
	return j.decide(ctx, id, version, func(tx pgx.Tx, h *held) error {
		if _, err := tx.Exec(ctx, cutHeld, chat, number, 0); err != nil {
			return err
		}
		until := h.now.Add(good)
		h.turn.Note, h.turn.ExpiresAt = note, timestamppb.New(until)
		h.turn.Seed++ // who writes without a model says something else
		payload, err := encode(h.turn)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, rewriteHeld, chat, number, payload, until)
		return err
	})
}
