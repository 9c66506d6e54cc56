package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
)

// Planned is a new turn. A turn that needs no text comes with its delivery.
type Planned struct {
	Turn        *chorusv1.Turn
	Delivery    *chorusv1.Delivery // nil if a text is to be written
	TraceParent string
}

// Lane returns the delivery's lane; empty if a text is to be written first.
func (p Planned) Lane() Lane {
	if p.Delivery == nil {
		return ""
	}
	return LaneOf(p.Turn.GetKind(), p.Delivery)
}

// Both statements take the parameters that Columns returns.
const (
	// InsertTurns inserts turns. Callers combine it with other statements.
	InsertTurns = `
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, topic, payload, traceparent, planned_at, due_at, expires_at, written_at)
SELECT chat_id, t.turn_no, t.bot_id, kind, nullif(target, 0), topic, payload, traceparent, planned_at, due_at, expires_at, CASE WHEN written THEN now() END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::bytea[], $8::text[],
    $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::bool[])
    AS t(chat_id, turn_no, bot_id, kind, target, topic, payload, traceparent, planned_at, due_at, expires_at, written)`

	// InsertDeliveries inserts the deliveries of turns that need no text.
	InsertDeliveries = `
INSERT INTO deliveries (chat_id, turn_no, part, bot_id, action, lane, payload, traceparent, expires_at, body)
SELECT chat_id, d.turn_no, part, d.bot_id, action, lane, payload, traceparent, expires_at, nullif(body, '')
FROM unnest($13::bigint[], $14::bigint[], $15::smallint[], $16::bigint[], $17::text[], $18::text[], $19::bytea[], $20::text[], $21::timestamptz[], $22::text[])
    AS d(chat_id, turn_no, part, bot_id, action, lane, payload, traceparent, expires_at, body)`

	writeTurns = `-- write turns
WITH turns AS (` + InsertTurns + `)` + InsertDeliveries
)

// Plan inserts turns in the transaction that advances their chats' clocks. After the
// commit, the caller rings for the chats.
func (j *Journal) Plan(ctx context.Context, tx pgx.Tx, planned []Planned) error {
	columns, err := Columns(planned)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, writeTurns, columns...); err != nil {
		return fmt.Errorf("write turns: %w", err)
	}
	return nil
}

// Columns converts turns to the arguments of InsertTurns and InsertDeliveries, column by
// column.
func Columns(planned []Planned) ([]any, error) {
	n := len(planned)
	chats, turns, bots, targets := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	kinds, topics, traces, payloads := make([]string, n), make([]string, n), make([]string, n), make([][]byte, n)
	plannedAt, dueAt, expiresAt, written := make([]time.Time, n), make([]time.Time, n), make([]time.Time, n), make([]bool, n)
	var deliveries deliveryRows
	for i, p := range planned {
		t := p.Turn
		payload, err := proto.Marshal(t)
		if err != nil {
			return nil, fmt.Errorf("encode turn: %w", err)
		}
		chats[i], turns[i] = key(t.GetId())
		bots[i], targets[i] = t.GetBotId(), t.GetTargetMessage()
		kinds[i], topics[i], traces[i], payloads[i] = subject.TurnKindName(t.GetKind()), t.GetTopic(), p.TraceParent, payload
		plannedAt[i], dueAt[i], expiresAt[i] = t.GetPlannedAt().AsTime(), t.GetDueAt().AsTime(), t.GetExpiresAt().AsTime()
		if written[i] = p.Delivery != nil; written[i] {
			if err := deliveries.add(p.Delivery, p.Lane(), 1, p.TraceParent); err != nil {
				return nil, err
			}
		}
	}
	return append([]any{chats, turns, bots, kinds, targets, topics, payloads, traces, plannedAt, dueAt, expiresAt, written}, deliveries.args()...), nil
}

// deliveryRows holds new deliveries column by column, for unnest.
type deliveryRows struct {
	chats, turns, bots             []int64
	parts                          []int16
	actions, lanes, traces, bodies []string
	payloads                       [][]byte
	expires                        []time.Time
}

func (r *deliveryRows) add(d *chorusv1.Delivery, lane Lane, part int, trace string) error {
	payload, err := proto.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode delivery: %w", err)
	}
	chat, turn := key(d.GetId())
	r.chats, r.turns, r.bots = append(r.chats, chat), append(r.turns, turn), append(r.bots, d.GetBotId())
	r.parts = append(r.parts, int16(part)) //nolint:gosec // a turn has few parts
	r.actions, r.lanes, r.traces = append(r.actions, subject.ActionName(d.GetAction())), append(r.lanes, string(lane)), append(r.traces, trace)
	r.bodies, r.payloads, r.expires = append(r.bodies, d.GetText()), append(r.payloads, payload), append(r.expires, d.GetExpiresAt().AsTime())
	return nil
}

func (r *deliveryRows) args() []any {
	return []any{r.chats, r.turns, r.parts, r.bots, r.actions, r.lanes, r.payloads, r.traces, r.expires, r.bodies}
}
