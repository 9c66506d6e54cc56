package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

const (
	// The fence is the failed row's.
	deadLetterText = `-- dead-letter a turn
WITH dead AS (
    UPDATE turns SET outcome = 'dead', reason = $4, closed_at = now(), written_at = now(), owner = NULL, claimed_until = NULL
    WHERE chat_id = $1 AND turn_no = $2 AND fence = $3 AND outcome IS NULL RETURNING chat_id, turn_no)` + insertLetter
	deadLetterDelivery = `-- dead-letter a delivery
WITH found AS MATERIALIZED (
    SELECT t.chat_id, t.turn_no FROM turns t
    WHERE t.chat_id = $1 AND t.turn_no = $2 AND EXISTS (
        SELECT FROM deliveries d WHERE d.chat_id = $1 AND d.turn_no = $2 AND d.fence = $3 AND d.owner IS NOT NULL)
    FOR NO KEY UPDATE OF t),
parts AS (
    UPDATE deliveries d SET state = 'closed', outcome = 'dead', reason = $4, closed_at = now(), owner = NULL, claimed_until = NULL, not_before = NULL
    FROM found WHERE d.chat_id = found.chat_id AND d.turn_no = found.turn_no AND d.closed_at IS NULL),
dead AS (
    UPDATE turns t SET outcome = 'dead', reason = $4, closed_at = now()
    FROM found WHERE t.chat_id = found.chat_id AND t.turn_no = found.turn_no AND t.outcome IS NULL RETURNING t.chat_id, t.turn_no)` + insertLetter
	insertLetter = `
INSERT INTO dead_letters AS l (chat_id, turn_no, service, reason, attempts) SELECT chat_id, turn_no, $5, $4, $6 FROM dead
ON CONFLICT (chat_id, turn_no) DO UPDATE SET service = EXCLUDED.service, reason = EXCLUDED.reason, attempts = EXCLUDED.attempts, died_at = now()`
)

// deadLetter ends a claimed row and its turn, and stores a dead letter. After a lost claim
// it changes nothing.
func (j *Journal) deadLetter(ctx context.Context, id *chorusv1.TurnId, fence int64, sql, service, reason string, attempts int) error {
	chat, turn := key(id)
	if _, err := j.pool.Exec(ctx, sql, chat, turn, fence, readable(reason), service, attempts); err != nil {
		return fmt.Errorf("write dead letter %s: %w", subject.TurnID(id), err)
	}
	return nil
}

// maxReason limits a reason, in characters.
const maxReason = 1000

// readable returns s as valid UTF-8 without control characters such as NUL, which
// PostgreSQL would reject, and cuts it to maxReason.
func readable(s string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�")))
	if len(runes) > maxReason {
		runes = append(runes[:maxReason-1], '…')
	}
	return string(runes)
}

// DeadLetter is a turn that failed for good.
type DeadLetter struct {
	Turn *chorusv1.TurnId
	// Chat is the name of its chat.
	Chat string
	// Service is the service that gave up.
	Service  string
	Reason   string
	Attempts int
	DiedAt   time.Time
	// ReplayedAt is the time of the last replay; zero for none.
	ReplayedAt time.Time
	Replays    int
	// Planned is the turn as planned. Delivery is its first delivery; nil for none.
	Planned  *chorusv1.Turn
	Delivery *chorusv1.Delivery
}

// DeadLetterFilter selects dead letters. The zero filter selects all.
type DeadLetterFilter struct {
	Turn    *chorusv1.TurnId
	Service string
	Chat    string // its name
	// OlderThan and Since select by age: at least, and at most. Zero is no limit.
	OlderThan, Since time.Duration
	// Unreplayed excludes replayed dead letters.
	Unreplayed bool
}

// ErrNoDeadLetter reports that the dead letter doesn't exist.
var ErrNoDeadLetter = errors.New("there is no such dead letter")

const (
	letterFilter = `
FROM dead_letters l JOIN chats c ON c.id = l.chat_id
WHERE ($1::bigint = 0 OR l.chat_id = $1 AND l.turn_no = $2) AND ($3 = '' OR l.service = $3) AND ($4 = '' OR c.name = $4)
  AND ($5::interval = '0' OR l.died_at < now() - $5::interval) AND ($6::interval = '0' OR l.died_at >= now() - $6::interval)
  AND (NOT $7 OR l.replays = 0)`
	findLetters = `
SELECT l.chat_id, l.turn_no, c.name, l.service, l.reason, l.attempts, l.died_at, l.replayed_at, l.replays,
    (SELECT t.payload FROM turns t WHERE t.chat_id = l.chat_id AND t.turn_no = l.turn_no),
    (SELECT d.payload FROM deliveries d WHERE d.chat_id = l.chat_id AND d.turn_no = l.turn_no ORDER BY part LIMIT 1)` + letterFilter + `
ORDER BY l.died_at DESC, l.chat_id, l.turn_no LIMIT $8`
	purgeLetters = `DELETE FROM dead_letters WHERE (chat_id, turn_no) IN (SELECT l.chat_id, l.turn_no` + letterFilter + `)`
)

func (f DeadLetterFilter) args() []any {
	chat, turn := key(f.Turn)
	return []any{chat, turn, f.Service, f.Chat, f.OlderThan, f.Since, f.Unreplayed}
}

// FindDeadLetters returns the newest dead letters, up to limit.
func (j *Journal) FindDeadLetters(ctx context.Context, f DeadLetterFilter, limit int) ([]DeadLetter, error) {
	return store.Collect(ctx, j.pool, "find dead letters", func(row pgx.CollectableRow) (DeadLetter, error) {
		l := DeadLetter{Turn: &chorusv1.TurnId{}}
		var replayed *time.Time
		var turn, delivery []byte
		err := row.Scan(&l.Turn.ChatId, &l.Turn.Number, &l.Chat, &l.Service, &l.Reason, &l.Attempts, &l.DiedAt, &replayed, &l.Replays, &turn, &delivery)
		if err != nil {
			return l, err
		}
		if replayed != nil {
			l.ReplayedAt = *replayed
		}
		l.Planned, l.Delivery = decode(turn, &chorusv1.Turn{}), decode(delivery, &chorusv1.Delivery{})
		return l, nil
	}, findLetters, append(f.args(), limit)...)
}

// PurgeDeadLetters deletes dead letters and returns their number. Their turns stay dead.
func (j *Journal) PurgeDeadLetters(ctx context.Context, f DeadLetterFilter) (int64, error) {
	tag, err := j.pool.Exec(ctx, purgeLetters, f.args()...)
	if err != nil {
		return 0, fmt.Errorf("purge dead letters: %w", err)
	}
	return tag.RowsAffected(), nil
}

const (
	lockLetter = `
SELECT t.payload, now() FROM dead_letters l JOIN turns t USING (chat_id, turn_no)
WHERE l.chat_id = $1 AND l.turn_no = $2 AND t.outcome = 'dead' FOR UPDATE OF l`
	reopenTurn = `
UPDATE turns SET outcome = NULL, reason = '', closed_at = NULL, expires_at = $3, payload = $4, attempts = 0, not_before = NULL,
    written_at = CASE WHEN $5 THEN written_at END
WHERE chat_id = $1 AND turn_no = $2`
	deadDeliveries   = `SELECT part, lane, payload FROM deliveries WHERE chat_id = $1 AND turn_no = $2 AND outcome = 'dead'`
	reopenDeliveries = `
UPDATE deliveries d SET state = 'waiting', outcome = NULL, reason = '', closed_at = NULL, expires_at = $3, payload = u.payload, attempts = 0
FROM unnest($4::smallint[], $5::bytea[]) AS u(part, payload) WHERE d.chat_id = $1 AND d.turn_no = $2 AND d.part = u.part`
	countReplay = `UPDATE dead_letters SET replayed_at = now(), replays = replays + 1 WHERE chat_id = $1 AND turn_no = $2`
)

// Replay reopens a dead turn with its stored text; it expires after good. It returns the
// lane of the turn's deliveries, or none if its text is to be written, and ErrNoDeadLetter
// if there is no such dead turn. Afterwards the caller rings for the chat.
func (j *Journal) Replay(ctx context.Context, id *chorusv1.TurnId, good time.Duration) (at Lane, err error) {
	chat, number := key(id)
	err = pgx.BeginFunc(ctx, j.pool, func(tx pgx.Tx) error {
		var turn []byte
		var now time.Time
		if err := lockTurn(ctx, tx, id); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, lockLetter, chat, number).Scan(&turn, &now); err != nil {
			return err
		}
		until := now.Add(good)
		if at, err = reopen(ctx, tx, id, until); err != nil {
			return err
		}
		t := decode(turn, &chorusv1.Turn{})
		t.ExpiresAt = timestamppb.New(until)
		if turn, err = encode(t); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, reopenTurn, chat, number, until, turn, at != ""); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, countReplay, chat, number)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ErrNoDeadLetter
	}
	if err != nil {
		return "", fmt.Errorf("replay turn %s: %w", subject.TurnID(id), err)
	}
	return at, nil
}

// reopen reopens a turn's dead deliveries and returns their lane; none without deliveries.
func reopen(ctx context.Context, tx pgx.Tx, id *chorusv1.TurnId, until time.Time) (at Lane, err error) {
	chat, number := key(id)
	var parts []int16
	var payloads [][]byte
	var part int16
	var payload []byte
	if err := store.Each(ctx, tx, "read deliveries", []any{&part, &at, &payload}, func() error {
		d := decode(payload, &chorusv1.Delivery{})
		d.ExpiresAt = timestamppb.New(until)
		encoded, err := encode(d)
		parts, payloads = append(parts, part), append(payloads, encoded)
		return err
	}, deadDeliveries, chat, number); err != nil {
		return "", err
	}
	if at == "" {
		return "", nil
	}
	_, err = tx.Exec(ctx, reopenDeliveries, chat, number, until, parts, payloads)
	return at, err
}
