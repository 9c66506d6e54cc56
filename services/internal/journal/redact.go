package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
)

// Said is all words that are kept of a turn: what its bot said or was to say, and
// what was noted about it.
type Said struct {
	Chat, Turn int64 // Turn is 0 where the turn itself is gone
	Bot        int64
	Message    int64 // the number of its message; 0 for none
	Target     int64 // the message that it answers; 0 for none
	At         time.Time
	// Text is what was said, or was to be said. Notes are the reasons of the turn, of
	// its receipt and of its dead letters.
	Text  string
	Notes []string

	turn, delivery, receipt []byte
	reason                  string
	pending                 bool
	letters                 []string
	// Where the bus put what holds words; 0 for nowhere.
	turnAt, deliveryAt, receiptAt int64
	lettersAt                     []uint64
}

const (
	saidInTurns = `
SELECT t.chat_id, t.turn_no, t.bot_id, coalesce(m.number, 0), coalesce(t.target_message, 0), t.planned_at, coalesce(m.body, d.body, ''),
    t.payload, d.payload, r.payload, coalesce(r.reason, ''), coalesce(d.state = 'pending', false),
    coalesce(t.bus_sequence, 0), coalesce(d.bus_sequence, 0), coalesce(r.bus_sequence, 0)
FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no) LEFT JOIN receipts r USING (chat_id, turn_no)
LEFT JOIN messages m USING (chat_id, turn_no)
WHERE t.chat_id = ANY($1)`
	saidAlone = `
SELECT m.chat_id, coalesce(m.turn_no, 0), m.bot_id, m.number, coalesce(m.reply_to, 0), m.sent_at, m.body
FROM messages m WHERE m.chat_id = ANY($1) AND m.bot_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM turns t WHERE t.chat_id = m.chat_id AND t.turn_no = m.turn_no)`
	allLetters = `SELECT id, coalesce(chat_id, 0), coalesce(turn_no, 0), reason, payload, coalesce(bus_sequence, 0) FROM dead_letters`
)

// Words gives what bots said in chats, and what is noted about it, in no order. It is
// as much as the chats keep.
func (j *Journal) Words(ctx context.Context, chats []int64) ([]Said, error) {
	letters, err := j.wordsOfLetters(ctx, 0)
	if err != nil {
		return nil, err
	}
	rows, err := j.pool.Query(ctx, saidInTurns, chats)
	if err != nil {
		return nil, fmt.Errorf("read what was said: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Said, err error) {
		err = row.Scan(&s.Chat, &s.Turn, &s.Bot, &s.Message, &s.Target, &s.At, &s.Text,
			&s.turn, &s.delivery, &s.receipt, &s.reason, &s.pending, &s.turnAt, &s.deliveryAt, &s.receiptAt)
		if err != nil {
			return s, err
		}
		return s, s.read(letters[[2]int64{s.Chat, s.Turn}])
	})
	if err != nil {
		return nil, fmt.Errorf("read what was said: %w", err)
	}
	if rows, err = j.pool.Query(ctx, saidAlone, chats); err != nil {
		return nil, fmt.Errorf("read what was said: %w", err)
	}
	alone, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Said, err error) {
		err = row.Scan(&s.Chat, &s.Turn, &s.Bot, &s.Message, &s.Target, &s.At, &s.Text)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("read what was said: %w", err)
	}
	return append(all, alone...), nil
}

// read adds the words that stand in payloads.
func (s *Said) read(letters []wordsOfLetter) error {
	var t chorusv1.Turn
	var d chorusv1.Delivery
	if err := errors.Join(proto.Unmarshal(s.turn, &t), proto.Unmarshal(s.delivery, &d)); err != nil {
		return fmt.Errorf("decode turn %d-%d: %w", s.Chat, s.Turn, err)
	}
	if s.Text == "" {
		s.Text = d.GetText()
	}
	for _, r := range t.GetReasons() {
		s.Notes = append(s.Notes, r.GetDetail())
	}
	if s.reason != "" {
		s.Notes = append(s.Notes, s.reason)
	}
	for _, l := range letters {
		s.letters, s.Notes = append(s.letters, l.id), append(s.Notes, l.words...)
		if l.at > 0 {
			s.lettersAt = append(s.lettersAt, uint64(l.at))
		}
	}
	return nil
}

type wordsOfLetter struct {
	id     string
	at     int64
	words  []string
	theirs bool // an update of the person
}

// wordsOfLetters are those of turns' dead letters, and of those about a person's
// updates, under the key of no turn. The person is 0 for nobody.
func (j *Journal) wordsOfLetters(ctx context.Context, person int64) (map[[2]int64][]wordsOfLetter, error) {
	rows, err := j.pool.Query(ctx, allLetters)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	found := map[[2]int64][]wordsOfLetter{}
	var id, reason string
	var chat, turn, at int64
	var payload []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &chat, &turn, &reason, &payload, &at}, func() error {
		var letter chorusv1.DeadLetter
		if err := proto.Unmarshal(payload, &letter); err != nil {
			return nil //nolint:nilerr // what nobody can read says nothing
		}
		w := wordsOfLetter{id: id, at: at, words: []string{reason}}
		var d chorusv1.Delivery
		var u chorusv1.Update
		switch {
		case letter.GetStream() == subject.Deliveries && proto.Unmarshal(letter.GetPayload(), &d) == nil:
			w.words = append(w.words, d.GetText())
		case letter.GetStream() == subject.Updates:
			if proto.Unmarshal(letter.GetPayload(), &u) != nil || person == 0 || u.GetPersonId() != person {
				return nil //nolint:nilerr // as above
			}
			chat, turn = 0, 0
			w.words, w.theirs = append(w.words, u.GetText()), true
		}
		found[[2]int64{chat, turn}] = append(found[[2]int64{chat, turn}], w)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	return found, nil
}

// Eraser erases messages from the bus.
type Eraser interface {
	Erase(ctx context.Context, stream string, sequences ...uint64) error
}

const (
	redactTurns = `
UPDATE turns t SET payload = u.payload FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS u(chat_id, turn_no, payload)
WHERE (t.chat_id, t.turn_no) = (u.chat_id, u.turn_no)`
	redactDeliveries = `
UPDATE deliveries d SET payload = u.payload, body = NULL, redacted = true FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS u(chat_id, turn_no, payload)
WHERE (d.chat_id, d.turn_no) = (u.chat_id, u.turn_no) AND u.payload IS NOT NULL`
	redactReceipts = `
UPDATE receipts r SET payload = u.payload, reason = '' FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS u(chat_id, turn_no, payload)
WHERE (r.chat_id, r.turn_no) = (u.chat_id, u.turn_no) AND u.payload IS NOT NULL`
	deleteSaid = `
DELETE FROM messages m USING unnest($1::bigint[], $2::bigint[]) AS u(chat_id, number)
WHERE m.chat_id = u.chat_id AND m.number = u.number AND m.bot_id IS NOT NULL`
	// The call that sends it may have ended since it was looked at.
	deleteSent = `
DELETE FROM messages m USING unnest($1::bigint[], $2::bigint[]) AS u(chat_id, turn_no)
WHERE m.chat_id = u.chat_id AND m.turn_no = u.turn_no AND m.bot_id IS NOT NULL`
	deleteLetters = `DELETE FROM dead_letters WHERE id = ANY($1)`
)

// redactBatch is how many turns are redacted in one transaction.
const redactBatch = 200

// Redact takes the words of turns from the journal, the message log and the bus. The
// turns and how they ended stay. What has not been sent yet is not; what is being sent
// leaves no message. To do it again changes nothing more.
func (j *Journal) Redact(ctx context.Context, bus Eraser, all []Said, why string) error {
	for len(all) > 0 {
		n := min(len(all), redactBatch)
		if err := j.redact(ctx, bus, all[:n], why); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func (j *Journal) redact(ctx context.Context, bus Eraser, some []Said, why string) error {
	var chats, turns, inChats, numbers []int64
	var payloads, deliveries, receipts [][]byte
	var letters []string
	erase := map[string][]uint64{}
	for i := range some {
		s := &some[i]
		if err := j.withhold(ctx, s, why); err != nil {
			return err
		}
		s.sequences(erase)
		letters = append(letters, s.letters...)
		if s.Message != 0 {
			inChats, numbers = append(inChats, s.Chat), append(numbers, s.Message)
		}
		if s.turn == nil {
			continue
		}
		turn, delivery, receipt, err := s.bare()
		if err != nil {
			return err
		}
		chats, turns = append(chats, s.Chat), append(turns, s.Turn)
		payloads, deliveries, receipts = append(payloads, turn), append(deliveries, delivery), append(receipts, receipt)
	}
	// First the bus, so that none is left there of which nobody knows.
	for stream, sequences := range erase {
		if err := bus.Erase(ctx, stream, sequences...); err != nil {
			return err
		}
	}
	err := pgx.BeginFunc(ctx, j.pool, func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(redactDeliveries, chats, turns, deliveries)
		b.Queue(redactTurns, chats, turns, payloads)
		b.Queue(redactReceipts, chats, turns, receipts)
		b.Queue(deleteSaid, inChats, numbers)
		b.Queue(deleteLetters, letters)
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return fmt.Errorf("redact: %w", err)
		}
		_, err := tx.Exec(ctx, deleteSent, chats, turns)
		return err
	})
	if err != nil {
		return fmt.Errorf("redact what was said: %w", err)
	}
	return nil
}

// sequences adds where the bus has the words.
func (s *Said) sequences(of map[string][]uint64) {
	for stream, at := range map[string]int64{subject.Turns: s.turnAt, subject.Deliveries: s.deliveryAt, subject.Receipts: s.receiptAt} {
		if at > 0 {
			of[stream] = append(of[stream], uint64(at))
		}
	}
	of[subject.Dead] = append(of[subject.Dead], s.lettersAt...)
}

// withhold ends a turn's delivery that nobody is sending yet.
func (j *Journal) withhold(ctx context.Context, s *Said, why string) error {
	if !s.pending {
		return nil
	}
	var t chorusv1.Turn
	if err := proto.Unmarshal(s.turn, &t); err != nil {
		return fmt.Errorf("decode turn %d-%d: %w", s.Chat, s.Turn, err)
	}
	receipt := ExpiredReceipt(&t, why)
	receipt.Outcome = chorusv1.Outcome_OUTCOME_REJECTED
	if _, err := j.Abandon(ctx, receipt); err != nil && !errors.Is(err, ErrFenced) {
		return err
	}
	return nil
}

// bare are the payloads of the turn, its delivery and its receipt without words; nil
// for one that there is not.
func (s *Said) bare() (turn, delivery, receipt []byte, err error) {
	var t chorusv1.Turn
	if turn, err = rewrite(s.turn, &t, func() {
		for _, r := range t.GetReasons() {
			r.Detail = ""
		}
	}); err != nil {
		return nil, nil, nil, err
	}
	if s.delivery != nil {
		var d chorusv1.Delivery
		if delivery, err = rewrite(s.delivery, &d, func() { d.Text = "" }); err != nil {
			return nil, nil, nil, err
		}
	}
	if s.receipt != nil && s.reason != "" {
		var r chorusv1.Receipt
		if receipt, err = rewrite(s.receipt, &r, func() { r.Reason = "" }); err != nil {
			return nil, nil, nil, err
		}
	}
	return turn, delivery, receipt, nil
}

// RedactLetters deletes the dead letters that hold a person's updates.
func (j *Journal) RedactLetters(ctx context.Context, bus Eraser, person int64) error {
	all, err := j.wordsOfLetters(ctx, person)
	if err != nil {
		return err
	}
	var ids []string
	var at []uint64
	for _, l := range all[[2]int64{}] {
		if !l.theirs {
			continue
		}
		ids = append(ids, l.id)
		if l.at > 0 {
			at = append(at, uint64(l.at))
		}
	}
	if err := bus.Erase(ctx, subject.Dead, at...); err != nil {
		return err
	}
	if _, err := j.pool.Exec(ctx, deleteLetters, ids); err != nil {
		return fmt.Errorf("delete dead letters: %w", err)
	}
	return nil
}

const unwritten = `
SELECT t.payload FROM turns t
WHERE t.chat_id = ANY($1) AND t.outcome IS NULL AND NOT EXISTS (SELECT FROM deliveries d WHERE (d.chat_id, d.turn_no) = (t.chat_id, t.turn_no))`

// Withdraw ends the turns of chats that have no delivery yet, whoever is writing
// them: nothing comes of what they were shown.
func (j *Journal) Withdraw(ctx context.Context, chats []int64, why string) error {
	rows, err := j.pool.Query(ctx, unwritten, chats)
	if err != nil {
		return fmt.Errorf("find turns that are being written: %w", err)
	}
	payloads, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return fmt.Errorf("find turns that are being written: %w", err)
	}
	for _, payload := range payloads {
		var t chorusv1.Turn
		if err := proto.Unmarshal(payload, &t); err != nil {
			return fmt.Errorf("decode a turn: %w", err)
		}
		receipt := ExpiredReceipt(&t, why)
		receipt.Outcome = chorusv1.Outcome_OUTCOME_REJECTED
		if _, err := j.CloseTurn(ctx, receipt); err != nil && !errors.Is(err, ErrFenced) {
			return err
		}
	}
	return nil
}
