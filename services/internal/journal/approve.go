package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// ErrDecided says that a text waits for no decision, or is another than was looked at.
var ErrDecided = errors.New("somebody has decided on it, or its time was over")

// DecidedError is ErrDecided where it is known who was faster.
type DecidedError struct {
	What string // sent, edited, discarded or rewritten
	By   string
}

func (e *DecidedError) Error() string {
	if e.What == "edited" {
		return "it is edited and sent by " + e.By + " already"
	}
	return "it is " + e.What + " by " + e.By + " already"
}

// Is makes it an ErrDecided.
func (*DecidedError) Is(target error) bool { return target == ErrDecided }

// Held names a text that waits for a person, as it was looked at, and who decides on it.
type Held struct {
	Chat, Turn int64
	// Version is the turn's fence. It changes with every decision: of two decisions the
	// second one is refused.
	Version int64
	// By is who it is, and Via by what way, as in the audit log.
	By, Via string
}

// Each decision begins with the lock of its turn, and changes the turn's fence. So of two
// that were made at the same time, the second one finds no turn. Its time is that of the lock:
// who holds it and sees that the time is over knows that nobody decides any more.
const (
	lockHeld = `-- lock a held turn
SELECT payload, now() FROM turns
WHERE chat_id = $1 AND turn_no = $2 AND fence = $3 AND closed_at IS NULL AND written_at IS NOT NULL AND expires_at > clock_timestamp() FOR NO KEY UPDATE`
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

	noteDecision = `-- note a decision
INSERT INTO decisions (chat_id, turn_no, version, what, by, via, draft, note) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	readDecision = `-- read a decision
SELECT what, by FROM decisions WHERE chat_id = $1 AND turn_no = $2 AND version = $3`
)

// waiting is a turn whose text waits for a person, locked.
type waiting struct {
	turn  *chorusv1.Turn
	now   time.Time
	parts []int16
	texts []*chorusv1.Delivery
	// What is noted beside the decision: the text as it was, where no delivery keeps it.
	draft []string
	note  string
}

// overwrites notes the text that waited, because another one takes its place.
func (w *waiting) overwrites() {
	for _, d := range w.texts {
		w.draft = append(w.draft, d.GetText())
	}
}

// decide does something with a held turn, in one transaction, and notes who did. ErrDecided
// says that there is none.
func (j *Journal) decide(ctx context.Context, h Held, what string, do func(pgx.Tx, *waiting) error) error {
	err := store.InTx(ctx, j.pool, func(tx pgx.Tx) error {
		w := &waiting{}
		var payload []byte
		if err := tx.QueryRow(ctx, lockHeld, h.Chat, h.Turn, h.Version).Scan(&payload, &w.now); err != nil {
			return err
		}
		w.turn = decode(payload, &chorusv1.Turn{})
		var part int16
		if err := store.Each(ctx, tx, "read held deliveries", []any{&part, &payload}, func() error {
			w.parts, w.texts = append(w.parts, part), append(w.texts, decode(payload, &chorusv1.Delivery{}))
			return nil
		}, readHeld, h.Chat, h.Turn); err != nil {
			return err
		}
		if len(w.parts) == 0 {
			return pgx.ErrNoRows
		}
		if err := do(tx, w); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, noteDecision, h.Chat, h.Turn, h.Version, what, h.By, h.Via, w.draft, w.note)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return j.decided(ctx, h)
	case err != nil:
		return fmt.Errorf("decide on turn %d-%d: %w", h.Chat, h.Turn, err)
	}
	return nil
}

// decided is why a text waits no more.
func (j *Journal) decided(ctx context.Context, h Held) error {
	var was DecidedError
	err := j.pool.QueryRow(ctx, readDecision, h.Chat, h.Turn, h.Version).Scan(&was.What, &was.By)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrDecided
	case err != nil:
		return fmt.Errorf("look who decided on turn %d-%d: %w", h.Chat, h.Turn, err)
	}
	return &was
}

// Approve lets a held text be sent, for a while from now. A text that is given is sent
// instead, as one message. Once it has returned, ring for the chat's messages.
func (j *Journal) Approve(ctx context.Context, h Held, text string, good time.Duration) error {
	what := "sent"
	if text != "" {
		what = "edited"
	}
	return j.decide(ctx, h, what, func(tx pgx.Tx, w *waiting) error {
		if text != "" {
			w.overwrites()
			w.parts, w.texts = w.parts[:1], w.texts[:1]
			w.texts[0].Text = text
			if _, err := tx.Exec(ctx, cutHeld, h.Chat, h.Turn, w.parts[0]); err != nil {
				return err
			}
		}
		until := w.now.Add(good)
		payloads, bodies := make([][]byte, len(w.texts)), make([]string, len(w.texts))
		for i, d := range w.texts {
			d.ExpiresAt, d.CreatedAt, bodies[i] = timestamppb.New(until), timestamppb.New(w.now), d.GetText()
			var err error
			if payloads[i], err = encode(d); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, approveHeld, h.Chat, h.Turn, until, w.parts, payloads, bodies)
		return err
	})
}

// Discard ends a held text, and its turn.
func (j *Journal) Discard(ctx context.Context, h Held) error {
	return j.decide(ctx, h, "discarded", func(tx pgx.Tx, _ *waiting) error {
		_, err := tx.Exec(ctx, discardHeld, h.Chat, h.Turn, readable("discarded by "+h.By))
		return err
	})
}

// Rewrite has a held text written again, with a note to who writes it, within a while from
// now. Once it has returned, ring for the chat's texts.
func (j *Journal) Rewrite(ctx context.Context, h Held, note string, good time.Duration) error {
	return j.decide(ctx, h, "rewritten", func(tx pgx.Tx, w *waiting) error {
		w.overwrites()
		w.note = note
		if _, err := tx.Exec(ctx, cutHeld, h.Chat, h.Turn, 0); err != nil {
			return err
		}
		until := w.now.Add(good)
		w.turn.Note, w.turn.ExpiresAt = note, timestamppb.New(until)
		w.turn.Seed++ // who writes without a model says something else
		payload, err := encode(w.turn)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, rewriteHeld, h.Chat, h.Turn, payload, until)
		return err
	})
}
