package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
)

// Planned is a turn to write down. A reaction needs no text, so its delivery is
// made with it.
type Planned struct {
	Turn        *chorusv1.Turn
	Delivery    *chorusv1.Delivery // nil unless the turn is a reaction
	TraceParent string
}

const (
	insertTurns = `
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, topic, payload, traceparent, planned_at, due_at, expires_at, relay_at)
SELECT chat_id, turn_no, bot_id, kind, nullif(target, 0), topic, payload, traceparent, planned_at, due_at, expires_at,
    CASE WHEN published THEN now() + $12::interval END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::bytea[], $8::text[],
    $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $13::bool[])
    AS t(chat_id, turn_no, bot_id, kind, target, topic, payload, traceparent, planned_at, due_at, expires_at, published)`

	insertDeliveries = `
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, payload, traceparent, expires_at, relay_at)
SELECT *, now() + $8::interval
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::text[], $7::timestamptz[])`
)

// Plan writes turns down, in the transaction that moves their chats' clocks on.
// The entries are to be pushed once it is committed: turns to the generator,
// reactions to the sender.
func (j *Journal) Plan(ctx context.Context, tx pgx.Tx, planned []Planned) (turns, reactions []Entry, err error) {
	var t columns
	var delivered []Planned
	var published []bool
	for _, p := range planned {
		m := p.Turn
		payload, err := proto.Marshal(m)
		if err != nil {
			return nil, nil, fmt.Errorf("encode turn: %w", err)
		}
		t.add(m.GetId(), m.GetBotId(), subject.TurnKindName(m.GetKind()), payload, p.TraceParent, m.GetExpiresAt().AsTime())
		t.targets = append(t.targets, m.GetTargetMessage())
		t.topics = append(t.topics, m.GetTopic())
		t.planned = append(t.planned, m.GetPlannedAt().AsTime())
		t.due = append(t.due, m.GetDueAt().AsTime())
		published = append(published, p.Delivery == nil)
		if p.Delivery != nil {
			delivered = append(delivered, p)
			continue
		}
		turns = append(turns, Entry{Turn: m.GetId(), Message: bus.Message{
			Subject: subject.Turn(m.GetId().GetChatId()), ID: subject.TurnID(m.GetId()), Payload: payload, TraceParent: p.TraceParent,
		}})
	}
	if _, err := tx.Exec(ctx, insertTurns, t.chats, t.numbers, t.bots, t.kinds, t.targets, t.topics, t.payloads, t.traces,
		t.planned, t.due, t.expires, relayGrace, published); err != nil {
		return nil, nil, fmt.Errorf("write turns: %w", err)
	}
	reactions, err = insertReactions(ctx, tx, delivered)
	return turns, reactions, err
}

func insertReactions(ctx context.Context, tx pgx.Tx, planned []Planned) ([]Entry, error) {
	if len(planned) == 0 {
		return nil, nil
	}
	var d columns
	entries := make([]Entry, 0, len(planned))
	for _, p := range planned {
		e, err := deliveryEntry(p.Delivery, p.TraceParent)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
		d.add(p.Delivery.GetId(), p.Delivery.GetBotId(), subject.ActionName(p.Delivery.GetAction()), e.Message.Payload, p.TraceParent,
			p.Delivery.GetExpiresAt().AsTime())
	}
	if _, err := tx.Exec(ctx, insertDeliveries, d.chats, d.numbers, d.bots, d.kinds, d.payloads, d.traces, d.expires, relayGrace); err != nil {
		return nil, fmt.Errorf("write deliveries: %w", err)
	}
	return entries, nil
}

// columns are rows turned by their side, as unnest wants them.
type columns struct {
	chats, numbers, bots, targets []int64
	kinds, topics, traces         []string
	payloads                      [][]byte
	planned, due, expires         []time.Time
}

func (c *columns) add(id *chorusv1.TurnId, bot int64, kind string, payload []byte, trace string, expires time.Time) {
	chat, number := key(id)
	c.chats, c.numbers, c.bots = append(c.chats, chat), append(c.numbers, number), append(c.bots, bot)
	c.kinds, c.traces = append(c.kinds, kind), append(c.traces, trace)
	c.payloads, c.expires = append(c.payloads, payload), append(c.expires, expires)
}

func deliveryEntry(d *chorusv1.Delivery, trace string) (Entry, error) {
	payload, err := proto.Marshal(d)
	if err != nil {
		return Entry{}, fmt.Errorf("encode delivery: %w", err)
	}
	to, err := subject.Delivery(d.GetAction(), d.GetId().GetChatId())
	if err != nil {
		return Entry{}, err
	}
	return Entry{Turn: d.GetId(), Message: bus.Message{
		Subject: to, ID: subject.TurnID(d.GetId()), Payload: payload, TraceParent: trace,
	}}, nil
}

// The turn is locked, so that it does not end meanwhile. That it need not be
// published any more its relay finds out.
const deliver = `
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, payload, traceparent, expires_at, body, relay_at)
SELECT chat_id, turn_no, bot_id, $3, $4, $5, $6, nullif($7, ''), now() + $8::interval
FROM turns WHERE chat_id = $1 AND turn_no = $2 AND outcome IS NULL FOR NO KEY UPDATE
ON CONFLICT DO NOTHING`

// Deliver writes down what a turn became. Made is false, and nothing is written,
// if the turn has a delivery already or has ended.
func (j *Journal) Deliver(ctx context.Context, d *chorusv1.Delivery, trace string) (e Entry, made bool, err error) {
	e, err = deliveryEntry(d, trace)
	if err != nil {
		return Entry{}, false, err
	}
	made, err = j.deliveries.Do(ctx, delivering{delivery: d, payload: e.Message.Payload, trace: trace})
	if err != nil {
		return Entry{}, false, fmt.Errorf("write delivery %s: %w", subject.TurnID(d.GetId()), err)
	}
	return e, made, nil
}

// delivering is a wish to make a delivery.
type delivering struct {
	delivery *chorusv1.Delivery
	payload  []byte
	trace    string
}

// deliverAll makes what of it can be made, and tells of each whether it was. Few
// come at a time: a statement for each, all in one transaction and one round trip,
// is done sooner than one that first unfolds arrays.
func (j *Journal) deliverAll(ctx context.Context, wishes []delivering) ([]bool, error) {
	sorted, at := ordered(wishes, func(w delivering) *chorusv1.TurnId { return w.delivery.GetId() })
	made := make([]bool, len(wishes))
	var b pgx.Batch
	for _, w := range sorted {
		d := w.delivery
		chat, turn := key(d.GetId())
		b.Queue(deliver, chat, turn, subject.ActionName(d.GetAction()), w.payload, w.trace, d.GetExpiresAt().AsTime(), d.GetText(), relayGrace).
			Exec(func(tag pgconn.CommandTag) error {
				made[at[[2]int64{chat, turn}]] = tag.RowsAffected() == 1
				return nil
			})
	}
	if err := j.pool.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	return made, nil
}

// Progress is how far a turn has come.
type Progress int

// What can have become of a turn.
const (
	// Unwritten turns are not in the journal: it was restored from a backup, or
	// somebody else publishes turns.
	Unwritten Progress = iota
	// Open turns have no delivery yet.
	Open
	// Delivered turns have a delivery, which may have ended.
	Delivered
	// Ended turns were closed without a delivery.
	Ended
)

const turnProgress = `
SELECT t.closed_at IS NOT NULL, d.chat_id IS NOT NULL
FROM turns t LEFT JOIN deliveries d USING (chat_id, turn_no)
WHERE t.chat_id = $1 AND t.turn_no = $2`

// Progress tells how far a turn has come.
func (j *Journal) Progress(ctx context.Context, id *chorusv1.TurnId) (Progress, error) {
	chat, number := key(id)
	var closed, delivered bool
	err := j.pool.QueryRow(ctx, turnProgress, chat, number).Scan(&closed, &delivered)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Unwritten, nil
	case err != nil:
		return Unwritten, fmt.Errorf("look at turn %s: %w", subject.TurnID(id), err)
	case delivered:
		return Delivered, nil
	case closed:
		return Ended, nil
	}
	return Open, nil
}
