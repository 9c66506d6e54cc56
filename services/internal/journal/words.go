package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Said holds the stored words of one turn: its bot's text, sent or not, and all notes about
// it.
type Said struct {
	Chat, Turn int64 // Turn is 0 if the turn itself is deleted
	Bot        int64
	Message    int64 // the message's number; 0 for none
	Target     int64 // the number of the message that it answers; 0 for none
	At         time.Time
	// Text is the bot's text, sent or not. Notes are the reasons of the turn and of its
	// end, its drafts, and the notes of people who decided on it.
	Text  string
	Notes []string
}

const (
	saidInTurns = `-- read turns
SELECT t.chat_id, t.turn_no, t.bot_id, coalesce(m.number, 0), coalesce(t.target_message, 0), t.planned_at, coalesce(m.body, d.body, ''),
    t.payload, d.payload, t.reason, coalesce(d.reason, ''), coalesce(l.reason, ''),
    ARRAY(SELECT concat_ws(' ', e->>'text', e->>'reason') FROM drafts x, jsonb_array_elements(x.drafts) e
        WHERE x.chat_id = t.chat_id AND x.turn_no = t.turn_no ORDER BY x.at)
    || ARRAY(SELECT concat_ws(' ', array_to_string(k.draft, ' '), nullif(k.note, '')) FROM decisions k WHERE k.chat_id = t.chat_id AND k.turn_no = t.turn_no)
FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no) LEFT JOIN dead_letters l USING (chat_id, turn_no)
LEFT JOIN messages m ON m.chat_id = t.chat_id AND m.turn_no = t.turn_no AND m.part = d.part
WHERE t.chat_id = ANY($1)`
	saidAlone = `-- read messages
SELECT m.chat_id, coalesce(m.turn_no, 0), m.bot_id, m.number, coalesce(m.reply_to, 0), m.sent_at, m.body
FROM messages m WHERE m.chat_id = ANY($1) AND m.bot_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM turns t WHERE t.chat_id = m.chat_id AND t.turn_no = m.turn_no)`
)

// Words returns all stored words of bots in chats, unsorted: one item for each delivery,
// and for each turn without a delivery.
func (j *Journal) Words(ctx context.Context, chats []int64) ([]Said, error) {
	all, err := store.Collect(ctx, j.pool, "read what was said", func(row pgx.CollectableRow) (s Said, err error) {
		var turn, delivery []byte
		var ofTurn, ofDelivery, ofLetter string
		var drafts []string
		err = row.Scan(&s.Chat, &s.Turn, &s.Bot, &s.Message, &s.Target, &s.At, &s.Text, &turn, &delivery, &ofTurn, &ofDelivery, &ofLetter, &drafts)
		if err != nil {
			return s, err
		}
		if s.Text == "" {
			s.Text = decode(delivery, &chorusv1.Delivery{}).GetText()
		}
		reasons := append([]string{ofTurn, ofDelivery, ofLetter}, drafts...)
		for _, r := range decode(turn, &chorusv1.Turn{}).GetReasons() {
			reasons = append(reasons, r.GetDetail())
		}
		for _, r := range reasons {
			if r != "" {
				s.Notes = append(s.Notes, r)
			}
		}
		return s, nil
	}, saidInTurns, chats)
	if err != nil {
		return nil, err
	}
	alone, err := store.Collect(ctx, j.pool, "read what was said", func(row pgx.CollectableRow) (s Said, err error) {
		err = row.Scan(&s.Chat, &s.Turn, &s.Bot, &s.Message, &s.Target, &s.At, &s.Text)
		return s, err
	}, saidAlone, chats)
	if err != nil {
		return nil, err
	}
	return append(all, alone...), nil
}

const (
	readSaid = `-- read turns to redact
SELECT t.chat_id, t.turn_no, t.payload, d.part, d.payload
FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no) JOIN turns t USING (chat_id, turn_no) LEFT JOIN deliveries d USING (chat_id, turn_no)
ORDER BY 1, 2, 4`
	redactTurn = `-- redact a turn
UPDATE turns SET payload = $3, reason = '' WHERE chat_id = $1 AND turn_no = $2`
	redactDelivery = `-- redact a delivery
UPDATE deliveries SET payload = $4, body = NULL, reason = '', redacted = true WHERE chat_id = $1 AND turn_no = $2 AND part = $3`
	// Deliveries that nobody is sending are closed, because their text is deleted.
	withhold = `-- withhold deliveries
WITH held AS (
    UPDATE deliveries d SET state = 'closed', outcome = 'rejected', reason = $3, closed_at = now(),
        owner = NULL, claimed_until = NULL, not_before = NULL, fence = fence + 1
    FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no)
    WHERE d.chat_id = u.chat_id AND d.turn_no = u.turn_no AND d.state IN ('waiting', 'claimed')
    RETURNING d.chat_id, d.turn_no)
UPDATE turns t SET outcome = 'rejected', reason = $3, closed_at = now() FROM (SELECT DISTINCT chat_id, turn_no FROM held) h
WHERE t.chat_id = h.chat_id AND t.turn_no = h.turn_no AND t.outcome IS NULL`
	deleteSaid = `-- delete messages
DELETE FROM messages m USING unnest($1::bigint[], $2::bigint[]) AS u(chat_id, number)
WHERE m.chat_id = u.chat_id AND m.number = u.number AND m.bot_id IS NOT NULL`
	// The call may have ended, and stored its message, since the messages were read.
	deleteSent = `-- delete sent messages
DELETE FROM messages m USING unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no)
WHERE m.chat_id = u.chat_id AND m.turn_no = u.turn_no AND m.bot_id IS NOT NULL`
	deleteLetters = `-- delete dead letters
DELETE FROM dead_letters l USING unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no) WHERE l.chat_id = u.chat_id AND l.turn_no = u.turn_no`
	deleteDrafts = `-- delete drafts
DELETE FROM drafts x USING unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no) WHERE x.chat_id = u.chat_id AND x.turn_no = u.turn_no`
	blankDecisions = `-- blank decisions
UPDATE decisions k SET draft = NULL, note = '' FROM unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no) WHERE k.chat_id = u.chat_id AND k.turn_no = u.turn_no`
)

// redactBatch limits the turns of one transaction.
const redactBatch = 200

// Redact deletes the words of turns from the journal and the message log. Deliveries that
// nobody is sending are closed with the reason. The rows still tell who did what and when.
func (j *Journal) Redact(ctx context.Context, said []Said, why string) error {
	for len(said) > 0 {
		n := min(len(said), redactBatch)
		if err := j.redact(ctx, said[:n], why); err != nil {
			return fmt.Errorf("redact what was said: %w", err)
		}
		said = said[n:]
	}
	return nil
}

func (j *Journal) redact(ctx context.Context, said []Said, why string) error {
	var chats, turns, inChats, numbers []int64
	for _, s := range said {
		if s.Turn != 0 {
			chats, turns = append(chats, s.Chat), append(turns, s.Turn)
		}
		if s.Message != 0 {
			inChats, numbers = append(inChats, s.Chat), append(numbers, s.Message)
		}
	}
	return pgx.BeginFunc(ctx, j.pool, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, chats, turns); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, withhold, chats, turns, why); err != nil {
			return err
		}
		b, err := redactions(ctx, tx, chats, turns)
		if err != nil {
			return err
		}
		b.Queue(deleteSaid, inChats, numbers)
		b.Queue(deleteLetters, chats, turns)
		b.Queue(deleteDrafts, chats, turns)
		b.Queue(blankDecisions, chats, turns)
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		_, err = tx.Exec(ctx, deleteSent, chats, turns)
		return err
	})
}

// redactions returns the statements that delete the words of turns and their deliveries.
func redactions(ctx context.Context, tx pgx.Tx, chats, turns []int64) (*pgx.Batch, error) {
	var b pgx.Batch
	var chat, number int64
	var turn, delivery []byte
	var part *int16
	if err := store.Each(ctx, tx, "read", []any{&chat, &number, &turn, &part, &delivery}, func() error {
		t := decode(turn, &chorusv1.Turn{})
		for _, r := range t.GetReasons() {
			r.Detail = ""
		}
		bare, err := encode(t)
		if err != nil {
			return err
		}
		b.Queue(redactTurn, chat, number, bare)
		if part == nil {
			return nil
		}
		d := decode(delivery, &chorusv1.Delivery{})
		d.Text = ""
		if bare, err = encode(d); err != nil {
			return err
		}
		b.Queue(redactDelivery, chat, number, *part, bare)
		return nil
	}, readSaid, chats, turns); err != nil {
		return nil, err
	}
	return &b, nil
}

// Raising the fence makes the generator that writes a turn lose its claim.
const withdraw = `-- end texts in work
WITH unwritten AS MATERIALIZED (
    SELECT chat_id, turn_no FROM turns WHERE chat_id = ANY($1) AND closed_at IS NULL AND written_at IS NULL
    ORDER BY chat_id, turn_no FOR NO KEY UPDATE)
UPDATE turns t SET outcome = 'rejected', reason = $2, closed_at = now(), written_at = now(), owner = NULL, claimed_until = NULL, fence = fence + 1
FROM unwritten u WHERE t.chat_id = u.chat_id AND t.turn_no = u.turn_no`

// Withdraw ends the turns of chats that have no delivery yet, even those that a generator
// is writing. So no text is based on what their prompts showed.
func (j *Journal) Withdraw(ctx context.Context, chats []int64, why string) error {
	if _, err := j.pool.Exec(ctx, withdraw, chats, why); err != nil {
		return fmt.Errorf("end turns that are being written: %w", err)
	}
	return nil
}
