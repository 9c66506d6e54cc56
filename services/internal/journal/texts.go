package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

// Unwritten is a claimed turn whose text is to be written.
type Unwritten struct {
	*chorusv1.Turn

	traceParent string
	fence       int64
	attempts    int
}

// Chat returns the turn's chat.
func (u *Unwritten) Chat() int64 { return u.GetId().GetChatId() }

// Attempts returns how often writing the text has failed.
func (u *Unwritten) Attempts() int { return u.attempts }

// Trace returns the trace context of the turn's planner.
func (u *Unwritten) Trace() string { return u.traceParent }

// Written is the result of writing a turn: deliveries in order, or an end without any.
type Written struct {
	Deliveries []*chorusv1.Delivery
	// Outcome and Reason apply to a turn that ends without a delivery.
	Outcome chorusv1.Outcome
	Reason  string
	// Held is the deadline of the approval; zero if the deliveries need none.
	Held time.Time
	// Drafts records how the text was written; nil to store nothing.
	Drafts *Drafts
	// TraceParent is the trace context of the writer.
	TraceParent string
}

// Texts is the queue of turns whose texts are to be written. In each chat, texts are
// written in the order of the turns.
type Texts struct {
	journal *Journal
	claims  Claims
}

var _ stage.Rows[*Unwritten, Written] = (*Texts)(nil)

// Texts returns the queue of turns to write for one process.
func (j *Journal) Texts(c Claims) *Texts { return &Texts{j, c} }

const (
	claimText    = `owner = $1, fence = t.fence + 1, claimed_until = now() + $2::interval`
	nextText     = `SELECT chat_id, turn_no FROM turns x WHERE x.closed_at IS NULL AND x.written_at IS NULL AND x.chat_id = `
	freeText     = ` AND t.owner IS NULL AND (t.not_before IS NULL OR t.not_before <= now())`
	claimedTexts = `t.chat_id, t.turn_no, t.fence, t.attempts, t.payload, t.traceparent`

	claimTexts = `-- claim turns
UPDATE turns t SET ` + claimText + `
FROM unnest($3::bigint[]) AS r(chat_id) CROSS JOIN LATERAL (` + nextText + `r.chat_id ORDER BY turn_no LIMIT 1) h
WHERE t.chat_id = h.chat_id AND t.turn_no = h.turn_no` + freeText + `
RETURNING ` + claimedTexts

	// One statement ends a turn and claims the chat's next one.
	commitTexts = writeTexts + `
` + claimNextText
	// The same, with drafts. They are rarely kept.
	commitTextsAndDrafts = writeTexts + keepDrafts + `
` + claimNextText

	writeTexts = `-- commit turns
WITH done AS (
    UPDATE turns t SET written_at = now(), owner = NULL, claimed_until = NULL, not_before = NULL,
        outcome = nullif(i.outcome, ''), reason = i.reason, closed_at = CASE WHEN i.outcome <> '' THEN now() END,
        expires_at = coalesce(i.held, t.expires_at)
    FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bool[], $19::timestamptz[])
        AS i(chat_id, turn_no, fence, outcome, reason, last, held)
    WHERE t.chat_id = i.chat_id AND t.turn_no = i.turn_no AND t.fence = i.fence AND t.owner = $1
    RETURNING t.chat_id, t.turn_no, i.last),
made AS (
    INSERT INTO deliveries (chat_id, turn_no, part, bot_id, action, lane, payload, traceparent, expires_at, body)
    SELECT d.chat_id, d.turn_no, part, bot_id, action, lane, payload, traceparent, expires_at, nullif(body, '')
    FROM unnest($9::bigint[], $10::bigint[], $11::smallint[], $12::bigint[], $13::text[], $14::text[], $15::bytea[], $16::text[],
        $17::timestamptz[], $18::text[])
        AS d(chat_id, turn_no, part, bot_id, action, lane, payload, traceparent, expires_at, body)
    JOIN done ON done.chat_id = d.chat_id AND done.turn_no = d.turn_no)`
	claimNextText = `UPDATE turns t SET ` + claimText + `
FROM done CROSS JOIN LATERAL (` + nextText + `done.chat_id AND x.turn_no > done.turn_no ORDER BY turn_no LIMIT 1) h
WHERE t.chat_id = h.chat_id AND t.turn_no = h.turn_no AND NOT done.last` + freeText + `
RETURNING ` + claimedTexts

	deferText = `-- defer a turn
UPDATE turns SET owner = NULL, claimed_until = NULL, not_before = $5, attempts = attempts + $6::int
WHERE chat_id = $1 AND turn_no = $2 AND fence = $3 AND owner = $4`

	takeTexts = `-- take turns over
WITH claimed AS MATERIALIZED (
    SELECT chat_id, turn_no, owner, fence, claimed_until < now() OR owner = $1 AND ` + forgotten + ` AS over
    FROM turns WHERE closed_at IS NULL AND written_at IS NULL AND owner IS NOT NULL AND chat_id <> ALL($4)),
alive AS MATERIALIZED (` + lease.Alive + `),
dead AS MATERIALIZED (
    SELECT * FROM claimed c WHERE over OR ` + died + `
    ORDER BY chat_id, turn_no LIMIT $3)
UPDATE turns t SET ` + claimText + `
FROM dead WHERE t.chat_id = dead.chat_id AND t.turn_no = dead.turn_no AND t.fence = dead.fence AND t.owner = dead.owner
RETURNING ` + claimedTexts

	// New rows wait 2 seconds for their ring before the sweep finds them.
	dueTexts = `-- due turns
SELECT array(SELECT chat_id FROM (
        SELECT DISTINCT ON (chat_id) chat_id, owner, coalesce(not_before, planned_at + interval '2 seconds') AS due
        FROM turns WHERE closed_at IS NULL AND written_at IS NULL ORDER BY chat_id, turn_no) h
    WHERE owner IS NULL AND due <= now() LIMIT $1),
    count(*), coalesce(now() - min(planned_at), '0') FROM turns WHERE closed_at IS NULL AND written_at IS NULL`
)

// Claim implements stage.Rows.
func (t *Texts) Claim(ctx context.Context, chats []int64) ([]*Unwritten, error) {
	return t.query(ctx, "claim turns", claimTexts, t.claims.Owner, t.claims.Lease, sorted(chats))
}

// Commit implements stage.Rows.
func (t *Texts) Commit(ctx context.Context, ends []stage.End[*Unwritten, Written]) ([]*Unwritten, error) {
	ends = inOrder(ends, func(e stage.End[*Unwritten, Written]) *chorusv1.TurnId { return e.Task.GetId() })
	n := len(ends)
	chats, turns, fences := make([]int64, n), make([]int64, n), make([]int64, n)
	outcomes, reasons, last := make([]string, n), make([]string, n), make([]bool, n)
	held := make([]*time.Time, n)
	var made deliveryRows
	var kept draftRows
	for i, e := range ends {
		chats[i], turns[i] = key(e.Task.GetId())
		fences[i], reasons[i], last[i] = e.Task.fence, readable(e.Result.Reason), e.Last
		if len(e.Result.Deliveries) == 0 {
			outcomes[i] = subject.OutcomeName(e.Result.Outcome)
		}
		held[i] = instant(e.Result.Held)
		if e.Result.Drafts != nil {
			if err := kept.add(chats[i], turns[i], e.Result.Drafts); err != nil {
				return nil, err
			}
		}
		for part, d := range e.Result.Deliveries {
			lane := LaneOf(e.Task.GetKind(), e.Result.Deliveries[0])
			if held[i] != nil {
				lane = LaneHeld
			}
			if err := made.add(d, lane, part+1, e.Result.TraceParent); err != nil {
				return nil, err
			}
		}
	}
	args := append([]any{t.claims.Owner, t.claims.Lease, chats, turns, fences, outcomes, reasons, last}, append(made.args(), held)...)
	sql := commitTexts
	if len(kept.chats) > 0 {
		sql, args = commitTextsAndDrafts, append(args, kept.chats, kept.turns, kept.prompts, kept.drafts)
	}
	return t.query(ctx, "write texts down", sql, args...)
}

// Defer implements stage.Rows.
func (t *Texts) Defer(ctx context.Context, u *Unwritten, until time.Time, failures int) error {
	chat, turn := key(u.GetId())
	return t.journal.giveBack(ctx, "turn "+subject.TurnID(u.GetId()), deferText, chat, turn, u.fence, t.claims.Owner, instant(until), failures)
}

// DeadLetter implements stage.Rows.
func (t *Texts) DeadLetter(ctx context.Context, u *Unwritten, reason string) error {
	return t.journal.deadLetter(ctx, u.GetId(), u.fence, deadLetterText, "generator", reason, u.attempts+1)
}

// Sweep implements stage.Rows.
func (t *Texts) Sweep(ctx context.Context, limit int, mine []int64) (s stage.Swept[*Unwritten], err error) {
	if err := t.journal.pool.QueryRow(ctx, dueTexts, limit).Scan(&s.Due, &s.Open, &s.Oldest); err != nil {
		return s, fmt.Errorf("look for turns that wait: %w", err)
	}
	if s.Open == 0 {
		return s, nil
	}
	s.Taken, err = t.query(ctx, "take turns over", takeTexts, t.claims.Owner, t.claims.Lease, limit, mine)
	return s, err
}

func (t *Texts) query(ctx context.Context, what, sql string, args ...any) ([]*Unwritten, error) {
	return claimed(ctx, t.journal, what, func(row pgx.CollectableRow) (*Unwritten, error) {
		u := &Unwritten{Turn: &chorusv1.Turn{}}
		var chat, turn int64
		var payload []byte
		if err := row.Scan(&chat, &turn, &u.fence, &u.attempts, &payload, &u.traceParent); err != nil {
			return nil, err
		}
		if decode(payload, u.Turn); u.GetId() == nil {
			proto.Reset(u.Turn) // the writer then finds an empty turn
		}
		u.Id = &chorusv1.TurnId{ChatId: chat, Number: turn}
		return u, nil
	}, sql, args...)
}
