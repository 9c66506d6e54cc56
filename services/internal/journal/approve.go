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

// ErrDecided reports that the text no longer waits for a decision, or differs from the one
// that was looked at.
var ErrDecided = errors.New("somebody has decided on it, or its time was over")

// DecidedError is an ErrDecided that names the earlier decision.
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

// Is makes errors.Is match ErrDecided.
func (*DecidedError) Is(target error) bool { return target == ErrDecided }

// Held identifies a text that waits for approval, in the version that was looked at, and
// who decides on it.
type Held struct {
	Chat, Turn int64
	// Version is the turn's fence. Every decision changes it, so the second of two
	// decisions is refused.
	Version int64
	// By and Via are the person and the interface, as in the audit log.
	By, Via string
}

// Each decision first locks its turn and then changes the turn's fence. So the second of
// two concurrent decisions finds no turn. The expiry is compared with the time of the lock:
// after it nobody else can decide.
const (
	lockHeld = `-- lock a held turn
SELECT payload, now() FROM turns
WHERE chat_id = $1 AND turn_no = $2 AND fence = $3 AND closed_at IS NULL AND written_at IS NOT NULL AND expires_at > clock_timestamp() FOR NO KEY UPDATE`
	readHeld = `-- read held deliveries
SELECT part, payload FROM deliveries WHERE lane = 'held' AND chat_id = $1 AND turn_no = $2 AND closed_at IS NULL ORDER BY part FOR NO KEY UPDATE`

	// From now on the deliveries wait for a sender.
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

// waiting is a locked turn whose text waits for approval.
type waiting struct {
	turn  *chorusv1.Turn
	now   time.Time
	parts []int16
	texts []*chorusv1.Delivery
	// draft and note are stored with the decision. draft is the old text, if no delivery
	// keeps it.
	draft []string
	note  string
}

// overwrites adds the waiting text to the draft, because a new text replaces it.
func (w *waiting) overwrites() {
	for _, d := range w.texts {
		w.draft = append(w.draft, d.GetText())
	}
}

// decide changes a held turn in one transaction and stores who decided. It returns
// ErrDecided if the turn isn't held any more.
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

// decided returns the earlier decision as an error.
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

// Approve releases a held text to the senders; it expires after good. A non-empty text
// replaces the held one, as one message. Afterwards the caller rings for the chat's
// messages.
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

// Discard ends a held text and its turn.
func (j *Journal) Discard(ctx context.Context, h Held) error {
	return j.decide(ctx, h, "discarded", func(tx pgx.Tx, _ *waiting) error {
		_, err := tx.Exec(ctx, discardHeld, h.Chat, h.Turn, readable("discarded by "+h.By))
		return err
	})
}

// Rewrite sends a held turn back to the generator, with a note to the writer; it expires
// after good. Afterwards the caller rings for the chat's texts.
func (j *Journal) Rewrite(ctx context.Context, h Held, note string, good time.Duration) error {
	return j.decide(ctx, h, "rewritten", func(tx pgx.Tx, w *waiting) error {
		w.overwrites()
		w.note = note
		if _, err := tx.Exec(ctx, cutHeld, h.Chat, h.Turn, 0); err != nil {
			return err
		}
		until := w.now.Add(good)
		w.turn.Note, w.turn.ExpiresAt = note, timestamppb.New(until)
		w.turn.Seed++ // the offline writer then writes another text
		payload, err := encode(w.turn)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, rewriteHeld, h.Chat, h.Turn, payload, until)
		return err
	})
}
