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
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
)

// Sent is a message that Telegram took.
type Sent struct {
	// Viewer is who knows it by TelegramID: 0 for everybody (supergroups), else
	// the bot (basic groups).
	Viewer     int64
	TelegramID int64
	Text       string
	ReplyTo    int64 // our number; 0 for none
	At         time.Time
}

// An open turn that is named by its key has no outcome; closed_at, which says the
// same, is asked for only by who looks for open turns by time. So the database
// can't take the index of those for the better one, as it does while few are open.
//
// The topic of an answer to a command is the command, and the answer is no talk.
//
// The end of a delivery, of its turn, the message that was sent and the receipt
// are one statement, and so one transaction. The fence is -1 for a delivery that
// nobody is sending.
const finish = `
WITH i AS (
    SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bytea[], $8::bigint[], $9::bigint[], $10::bigint[],
        $11::text[], $12::bigint[], $13::timestamptz[])
    AS u(chat_id, turn_no, fence, outcome, reason, payload, number, viewer, telegram_id, body, reply_to, sent_at)),
closed AS (
    UPDATE deliveries d SET state = 'closed', owner = NULL, not_before = NULL, closed_at = now(), relay_at = NULL FROM i
    WHERE d.chat_id = i.chat_id AND d.turn_no = i.turn_no AND (d.state = 'sending' AND d.fence = i.fence OR d.state = 'pending' AND i.fence = -1)
    RETURNING i.*, d.redacted),
turn AS (
    UPDATE turns t SET outcome = i.outcome, closed_at = now(), relay_at = NULL FROM closed i
    WHERE t.chat_id = i.chat_id AND t.turn_no = i.turn_no AND t.outcome IS NULL
    RETURNING i.*, t.bot_id, t.topic, t.traceparent),
said AS (
    INSERT INTO messages (chat_id, number, bot_id, turn_no, reply_to, topic, body, sent_at, talk)
    SELECT chat_id, number, bot_id, turn_no, CASE WHEN reply_to > 0 THEN message_there(chat_id, reply_to) END, topic, body, sent_at, topic NOT LIKE '/%'
    FROM turn WHERE telegram_id > 0 AND NOT redacted),
named AS (
    INSERT INTO message_ids (chat_id, viewer, telegram_id, number)
    SELECT chat_id, viewer, telegram_id, number FROM turn WHERE telegram_id > 0 AND NOT redacted
    ON CONFLICT (chat_id, viewer, telegram_id) DO UPDATE SET number = EXCLUDED.number)
INSERT INTO receipts (chat_id, turn_no, outcome, reason, payload, traceparent, relay_at)
SELECT chat_id, turn_no, outcome, reason, payload, traceparent, now() + $1::interval FROM turn
RETURNING chat_id, turn_no, traceparent`

// Finish ends a claimed delivery with its outcome and, where a message was
// sent, the message. ErrFenced says that another sender has taken it over.
func (j *Journal) Finish(ctx context.Context, c *Claim, r *chorusv1.Receipt, sent *Sent) (Entry, error) {
	if sent == nil {
		sent = &Sent{}
	} else {
		r.Message = c.Number
	}
	//nolint:gosec // a count of calls
	r.Attempts = int32(c.Attempts)
	return j.finish(ctx, r, c.Fence, c.Number, sent)
}

// Abandon ends a delivery that nobody is sending: one that has expired.
// ErrFenced says that somebody is sending it, or that it has ended.
func (j *Journal) Abandon(ctx context.Context, r *chorusv1.Receipt) (Entry, error) {
	return j.finish(ctx, r, -1, 0, &Sent{})
}

// Disown ends an orphan whose call is not to be repeated. ErrFenced says that
// another sender was faster.
func (j *Journal) Disown(ctx context.Context, r *chorusv1.Receipt, fence int64) (Entry, error) {
	return j.finish(ctx, r, fence, 0, &Sent{})
}

func (j *Journal) finish(ctx context.Context, r *chorusv1.Receipt, fence, number int64, sent *Sent) (Entry, error) {
	e, err := j.receiptEntry(r)
	if err != nil {
		return Entry{}, err
	}
	trace, err := j.ends.Do(ctx, ending{receipt: r, payload: e.Message.Payload, fence: fence, number: number, sent: sent})
	switch {
	case err == nil && trace == nil:
		err = pgx.ErrNoRows
	case err == nil:
		e.Message.TraceParent = *trace
	}
	return ended(e, r, err)
}

// ending is a wish to end a delivery.
type ending struct {
	receipt       *chorusv1.Receipt
	payload       []byte
	fence, number int64
	sent          *Sent
}

// finishAll ends what of it can be ended, and gives the traces of these; the
// others are nil.
func (j *Journal) finishAll(ctx context.Context, wishes []ending) ([]*string, error) {
	n := len(wishes)
	chats, turns, fences, numbers := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	outcomes, reasons, payloads := make([]string, n), make([]string, n), make([][]byte, n)
	viewers, telegramIDs, replies := make([]int64, n), make([]int64, n), make([]int64, n)
	bodies, times := make([]string, n), make([]time.Time, n)
	sorted, at := ordered(wishes, func(w ending) *chorusv1.TurnId { return w.receipt.GetId() })
	for i, w := range sorted {
		chats[i], turns[i] = key(w.receipt.GetId())
		fences[i], numbers[i] = w.fence, w.number
		outcomes[i], reasons[i], payloads[i] = subject.OutcomeName(w.receipt.GetOutcome()), w.receipt.GetReason(), w.payload
		viewers[i], telegramIDs[i], replies[i], bodies[i], times[i] = w.sent.Viewer, w.sent.TelegramID, w.sent.ReplyTo, w.sent.Text, w.sent.At
	}
	rows, err := j.pool.Query(ctx, finish, relayGrace, chats, turns, fences, outcomes, reasons, payloads, numbers, viewers, telegramIDs, bodies, replies, times)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	traces := make([]*string, n)
	var chat, turn int64
	var trace string
	_, err = pgx.ForEachRow(rows, []any{&chat, &turn, &trace}, func() error {
		own := trace
		traces[at[[2]int64{chat, turn}]] = &own
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return traces, nil
}

// Whoever makes a delivery locks its turn first, and so waits for this lock or
// is waited for. Only a statement that begins after it sees what came of that.
const lockTurn = `SELECT FROM turns WHERE chat_id = $1 AND turn_no = $2 FOR UPDATE`

// A turn that ends before it has a delivery.
const closeTurn = `
WITH turn AS (
    UPDATE turns t SET outcome = $3, closed_at = now(), relay_at = NULL
    WHERE chat_id = $1 AND turn_no = $2 AND outcome IS NULL
      AND NOT EXISTS (SELECT FROM deliveries d WHERE d.chat_id = $1 AND d.turn_no = $2)
    RETURNING chat_id, turn_no, traceparent)
INSERT INTO receipts (chat_id, turn_no, outcome, reason, payload, traceparent, relay_at)
SELECT chat_id, turn_no, $3, $4, $5, traceparent, now() + $6::interval FROM turn
RETURNING traceparent`

// CloseTurn ends a turn that has no delivery. ErrFenced says that it has one, or
// that it has ended.
func (j *Journal) CloseTurn(ctx context.Context, r *chorusv1.Receipt) (Entry, error) {
	e, err := j.receiptEntry(r)
	if err != nil {
		return Entry{}, err
	}
	chat, turn := key(r.GetId())
	err = pgx.BeginFunc(ctx, j.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockTurn, chat, turn); err != nil {
			return err
		}
		return tx.QueryRow(ctx, closeTurn, chat, turn, subject.OutcomeName(r.GetOutcome()), r.GetReason(), e.Message.Payload, relayGrace).
			Scan(&e.Message.TraceParent)
	})
	return ended(e, r, err)
}

func ended(e Entry, r *chorusv1.Receipt, err error) (Entry, error) {
	if errors.Is(err, pgx.ErrNoRows) {
		return Entry{}, ErrFenced
	}
	if err != nil {
		return Entry{}, fmt.Errorf("close turn %s: %w", subject.TurnID(r.GetId()), err)
	}
	return e, nil
}

func (j *Journal) receiptEntry(r *chorusv1.Receipt) (Entry, error) {
	if r.GetClosedAt() == nil {
		r.ClosedAt = timestamppb.New(j.now())
	}
	payload, err := proto.Marshal(r)
	if err != nil {
		return Entry{}, fmt.Errorf("encode receipt: %w", err)
	}
	return Entry{Turn: r.GetId(), Message: bus.Message{
		Subject: subject.Receipt(r.GetOutcome(), r.GetId().GetChatId()), ID: subject.TurnID(r.GetId()), Payload: payload,
	}}, nil
}

const overdue = `
SELECT t.payload, coalesce(d.state, ''), coalesce(d.fence, 0)
FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no)
WHERE t.closed_at IS NULL AND t.expires_at < now() - $1::interval
  AND (coalesce(d.state, 'pending') = 'pending' OR t.expires_at < now() - $3::interval)
ORDER BY t.expires_at LIMIT $2`

// No call takes this long. Whoever sends a delivery whose time was over so long
// ago is dead, and nobody else has come to it.
const longestCall = 5 * time.Minute

// Expire ends up to limit open turns whose time was over a grace ago and that
// nobody is sending: those whose messages were lost, and those that wait for a
// service that is down. What became of orphans is unknown. It returns their
// receipts.
func (j *Journal) Expire(ctx context.Context, grace time.Duration, limit int) ([]Entry, error) {
	type row struct {
		Payload []byte
		State   State // empty without a delivery
		Fence   int64
	}
	rows, err := j.pool.Query(ctx, overdue, grace, limit, longestCall)
	if err != nil {
		return nil, fmt.Errorf("find overdue turns: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return nil, fmt.Errorf("find overdue turns: %w", err)
	}
	var entries []Entry
	for _, f := range found {
		var turn chorusv1.Turn
		if err := proto.Unmarshal(f.Payload, &turn); err != nil {
			return entries, fmt.Errorf("decode an overdue turn: %w", err)
		}
		e, err := j.expire(ctx, ExpiredReceipt(&turn, "nobody came to it in time"), f.State, f.Fence)
		if errors.Is(err, ErrFenced) {
			continue
		}
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// expire ends a turn by what there is of its delivery.
func (j *Journal) expire(ctx context.Context, r *chorusv1.Receipt, state State, fence int64) (Entry, error) {
	switch state {
	case Pending:
		return j.Abandon(ctx, r)
	case Sending:
		r.Outcome, r.Reason = chorusv1.Outcome_OUTCOME_UNKNOWN, "its sender died, and nobody came to it in time"
		return j.Disown(ctx, r, fence)
	default:
		return j.CloseTurn(ctx, r)
	}
}

// ExpiredReceipt is the receipt of a turn whose time is over. It ends when it is
// written down.
func ExpiredReceipt(t *chorusv1.Turn, reason string) *chorusv1.Receipt {
	action := chorusv1.Action_ACTION_SEND_MESSAGE
	if t.GetKind() == chorusv1.TurnKind_TURN_KIND_REACTION {
		action = chorusv1.Action_ACTION_SET_REACTION
	}
	return &chorusv1.Receipt{
		Id: t.GetId(), BotId: t.GetBotId(), Action: action, Outcome: chorusv1.Outcome_OUTCOME_EXPIRED,
		Reason: reason, PlannedAt: t.GetPlannedAt(),
	}
}
