package journal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

// Unsent is a claimed delivery that is to be sent.
type Unsent struct {
	*chorusv1.Delivery
	Lane Lane
	// Part is the delivery's position in its turn, from 1.
	Part int
	// Step is the call to make next.
	Step Step
	// Calling says that, by its row, a call may have been made. A claim sets it from the
	// start, so most calls need no statement of their own.
	Calling bool
	// TakenOver says that the delivery's former owner died or stalled, and may have made
	// the call.
	TakenOver bool
	// WaitUntil is the end of the wait that Telegram asked of the bot in this chat, by this
	// process' clock; zero for none.
	WaitUntil time.Time
	// AnsweredID is Telegram's id of the message that the turn answers, in a supergroup.
	// AnsweredOwnID is the same message's id for this bot in a basic group. They are 0 if
	// unknown at the time of the claim.
	AnsweredID, AnsweredOwnID int64
	// Until is the end of the claim, by this process' clock.
	Until time.Time
	// Calls counts the calls made since the claim. The sender increments it.
	Calls int

	traceParent string
	fence       int64
	attempts    int
}

// Chat returns the delivery's chat.
func (u *Unsent) Chat() int64 { return u.GetId().GetChatId() }

// Attempts returns how often the delivery has failed.
func (u *Unsent) Attempts() int { return u.attempts }

// Trace returns the trace context of the delivery's creator.
func (u *Unsent) Trace() string { return u.traceParent }

// Sent is the result of a delivery.
type Sent struct {
	Outcome chorusv1.Outcome
	Reason  string // empty when delivered
	// Message is the message that Telegram accepted; nil for none.
	Message *Message
}

// Message is a message that Telegram has accepted.
type Message struct {
	// Viewer says for whom TelegramID is valid: 0 for everybody (supergroups), else the bot
	// (basic groups).
	Viewer     int64
	TelegramID int64
	Text       string
	ReplyTo    int64 // our number; 0 for none
	At         time.Time
}

// Deliveries is the queue of one lane. In each chat, deliveries are sent in the order of
// their turns.
type Deliveries struct {
	journal *Journal
	claims  Claims
	lane    Lane
}

var _ stage.Rows[*Unsent, Sent] = (*Deliveries)(nil)

// Deliveries returns the queue of a lane for one process.
func (j *Journal) Deliveries(lane Lane, c Claims) *Deliveries { return &Deliveries{j, c, lane} }

// partBefore is the reason of parts that follow a part that was not delivered.
const partBefore = "the part before it was not delivered"

const (
	claimDelivery   = `owner = $1, fence = d.fence + 1, claimed_until = now() + $2::interval`
	nextDelivery    = `SELECT chat_id, turn_no, part FROM deliveries x WHERE x.closed_at IS NULL AND x.lane = $3 AND x.chat_id = `
	freeDelivery    = ` AND d.state = 'waiting' AND (d.not_before IS NULL OR d.not_before <= now())`
	claimedDelivery = `d.chat_id, d.turn_no, d.part, d.fence, d.attempts, d.step, d.state = 'sending', d.payload, d.traceparent,
    ` + waitLeft + `,
    (SELECT array[coalesce(m.telegram_id, 0), coalesce(i.telegram_id, 0)] FROM turns o JOIN messages m ON m.chat_id = o.chat_id AND m.number = o.target_message
        LEFT JOIN message_ids i ON i.chat_id = m.chat_id AND i.number = m.number AND i.viewer = d.bot_id
        WHERE o.chat_id = d.chat_id AND o.turn_no = d.turn_no)`
	// waitLeft is the rest of the bot's wait in the chat; NULL for none.
	waitLeft = `(SELECT max(w.until) - now() FROM waits w WHERE w.bot_id = d.bot_id AND w.chat_id IN (d.chat_id, 0) AND w.until > now())`

	claimDeliveries = `-- claim deliveries
UPDATE deliveries d SET state = 'sending', not_before = NULL, ` + claimDelivery + `
FROM unnest($4::bigint[]) AS r(chat_id) CROSS JOIN LATERAL (` + nextDelivery + `r.chat_id ORDER BY turn_no, part LIMIT 1) h
WHERE d.chat_id = h.chat_id AND d.turn_no = h.turn_no AND d.part = h.part` + freeDelivery + `
RETURNING ` + claimedDelivery

	// One statement, and so one transaction, ends a delivery, ends its turn after the last
	// part, stores the sent message, and claims the chat's next delivery. A delivery that
	// fails ends its turn: later parts are not sent. A successful one ends it unless the
	// chat's next delivery belongs to the same turn.
	//
	// Open deliveries are found by outcome, not by closed_at: the index of open rows is
	// sometimes empty when a statement is planned, and then the plan would read all of it.
	commitDeliveries = `-- commit deliveries
WITH i AS (
    SELECT * FROM unnest($4::bigint[], $5::bigint[], $6::smallint[], $7::bigint[], $8::text[], $9::text[], $10::bool[],
        $11::bigint[], $12::bigint[], $13::text[], $14::bigint[], $15::timestamptz[])
    AS u(chat_id, turn_no, part, fence, outcome, reason, last, viewer, telegram_id, body, reply_to, sent_at)),
locked AS MATERIALIZED (
    SELECT i.* FROM i JOIN turns t USING (chat_id, turn_no) ORDER BY t.chat_id, t.turn_no, i.part FOR NO KEY UPDATE OF t),
closed AS (
    UPDATE deliveries d SET state = 'closed', owner = NULL, claimed_until = NULL, closed_at = now(), outcome = i.outcome, reason = i.reason
    FROM locked i WHERE d.chat_id = i.chat_id AND d.turn_no = i.turn_no AND d.part = i.part AND d.fence = i.fence AND d.owner = $1
    RETURNING i.*, d.bot_id, d.redacted, i.outcome IN ('delivered', 'fell_back') AS done),
dropped AS (
    UPDATE deliveries d SET state = 'closed', not_before = NULL, closed_at = now(), outcome = 'rejected', reason = '` + partBefore + `'
    FROM closed i WHERE NOT i.done AND d.chat_id = i.chat_id AND d.turn_no = i.turn_no AND d.part > i.part AND d.outcome IS NULL),
next AS MATERIALIZED (
    SELECT i.chat_id, i.turn_no AS ended, i.outcome, i.reason, i.last, h.turn_no, h.part FROM closed i LEFT JOIN LATERAL (` + nextDelivery + `i.chat_id
        AND (x.turn_no, x.part) > (i.turn_no, CASE WHEN i.done THEN i.part ELSE 32767 END) ORDER BY turn_no, part LIMIT 1) h ON true),
turn AS (
    UPDATE turns t SET closed_at = now(), outcome = n.outcome, reason = n.reason
    FROM next n WHERE t.chat_id = n.chat_id AND t.turn_no = n.ended AND t.outcome IS NULL AND n.turn_no IS DISTINCT FROM n.ended),
said AS MATERIALIZED (SELECT *, nextval('message_numbers') AS number FROM closed WHERE telegram_id > 0 AND NOT redacted),
kept AS (
    INSERT INTO messages (chat_id, number, bot_id, turn_no, part, reply_to, telegram_id, body, sent_at, talk)
    SELECT chat_id, number, bot_id, turn_no, part, nullif(reply_to, 0), CASE WHEN viewer = 0 THEN telegram_id END, body, sent_at, $3 <> 'command'
    FROM said),
named AS (
    INSERT INTO message_ids (chat_id, viewer, telegram_id, number) SELECT chat_id, viewer, telegram_id, number FROM said WHERE viewer > 0
    ON CONFLICT (chat_id, viewer, telegram_id) DO UPDATE SET number = EXCLUDED.number)
UPDATE deliveries d SET state = 'sending', not_before = NULL, ` + claimDelivery + `
FROM next n WHERE d.chat_id = n.chat_id AND d.turn_no = n.turn_no AND d.part = n.part AND NOT n.last` + freeDelivery + `
RETURNING ` + claimedDelivery

	deferDelivery = `-- defer delivery
UPDATE deliveries SET state = 'waiting', owner = NULL, claimed_until = NULL, not_before = $6, attempts = attempts + $7::int
WHERE chat_id = $1 AND turn_no = $2 AND part = $3 AND fence = $4 AND owner = $5`

	// A claim by this process that it doesn't know of has led to no call: its response was
	// lost.
	takeDeliveries = `-- take deliveries over
WITH claimed AS MATERIALIZED (
    SELECT chat_id, turn_no, part, owner, fence, claimed_until < now() OR owner = $1 AND ` + forgotten + ` AS over
    FROM deliveries WHERE lane = $3 AND closed_at IS NULL AND owner IS NOT NULL AND chat_id <> ALL($5)),
alive AS MATERIALIZED (` + lease.Alive + `),
dead AS MATERIALIZED (
    SELECT * FROM claimed c WHERE over OR ` + died + `
    ORDER BY chat_id, turn_no, part LIMIT $4)
UPDATE deliveries d SET state = CASE WHEN dead.owner = $1 AND d.claimed_until > now() THEN 'claimed' ELSE d.state END, ` + claimDelivery + `
FROM dead WHERE d.chat_id = dead.chat_id AND d.turn_no = dead.turn_no AND d.part = dead.part AND d.fence = dead.fence AND d.owner = dead.owner
RETURNING ` + claimedDelivery

	dueDeliveries = `-- due deliveries
SELECT array(SELECT chat_id FROM (
        SELECT DISTINCT ON (chat_id) chat_id, owner, coalesce(not_before, created_at + interval '2 seconds') AS due
        FROM deliveries WHERE lane = $1 AND closed_at IS NULL ORDER BY chat_id, turn_no, part) h
    WHERE owner IS NULL AND due <= now() LIMIT $2),
    count(*), coalesce(now() - min(created_at), '0') FROM deliveries WHERE lane = $1 AND closed_at IS NULL`

	stepDeliveries = `-- step deliveries
UPDATE deliveries d SET state = i.state, step = i.step, claimed_until = now() + i.lease
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::integer[], $6::text[], $7::text[], $8::interval[])
    AS i(chat_id, turn_no, part, fence, owner, state, step, lease)
WHERE d.chat_id = i.chat_id AND d.turn_no = i.turn_no AND d.part = i.part AND d.fence = i.fence AND d.owner = i.owner
RETURNING d.chat_id, d.turn_no, d.part, ` + waitLeft + ``
)

// Claim implements stage.Rows.
func (d *Deliveries) Claim(ctx context.Context, chats []int64) ([]*Unsent, error) {
	return d.query(ctx, "claim deliveries", claimDeliveries, false, d.claims.Owner, d.claims.Lease, d.lane, sorted(chats))
}

// Commit implements stage.Rows.
func (d *Deliveries) Commit(ctx context.Context, ends []stage.End[*Unsent, Sent]) ([]*Unsent, error) {
	ends = inOrder(ends, func(e stage.End[*Unsent, Sent]) *chorusv1.TurnId { return e.Task.GetId() })
	n := len(ends)
	chats, turns, parts, fences := make([]int64, n), make([]int64, n), make([]int16, n), make([]int64, n)
	outcomes, reasons, last := make([]string, n), make([]string, n), make([]bool, n)
	viewers, telegramIDs, replies := make([]int64, n), make([]int64, n), make([]int64, n)
	bodies, times := make([]string, n), make([]time.Time, n)
	for i, e := range ends {
		chats[i], turns[i] = key(e.Task.GetId())
		parts[i], fences[i] = int16(e.Task.Part), e.Task.fence //nolint:gosec // a turn has few parts
		outcomes[i], reasons[i], last[i] = subject.OutcomeName(e.Result.Outcome), readable(e.Result.Reason), e.Last
		if m := e.Result.Message; m != nil {
			viewers[i], telegramIDs[i], replies[i], bodies[i], times[i] = m.Viewer, m.TelegramID, m.ReplyTo, m.Text, m.At
		}
	}
	return d.query(ctx, "write down how deliveries ended", commitDeliveries, false, d.claims.Owner, d.claims.Lease, d.lane,
		chats, turns, parts, fences, outcomes, reasons, last, viewers, telegramIDs, bodies, replies, times)
}

// Defer implements stage.Rows. It records that no call with a possible effect was made.
func (d *Deliveries) Defer(ctx context.Context, u *Unsent, until time.Time, failures int) error {
	chat, turn := key(u.GetId())
	return d.journal.giveBack(ctx, "delivery "+subject.TurnID(u.GetId()), deferDelivery, chat, turn, u.Part, u.fence, d.claims.Owner, instant(until), failures)
}

// DeadLetter implements stage.Rows.
func (d *Deliveries) DeadLetter(ctx context.Context, u *Unsent, reason string) error {
	return d.journal.deadLetter(ctx, u.GetId(), u.fence, deadLetterDelivery, "sender", reason, u.attempts+1)
}

// Sweep implements stage.Rows.
func (d *Deliveries) Sweep(ctx context.Context, limit int, mine []int64) (s stage.Swept[*Unsent], err error) {
	if err := d.journal.pool.QueryRow(ctx, dueDeliveries, d.lane, limit).Scan(&s.Due, &s.Open, &s.Oldest); err != nil {
		return s, fmt.Errorf("look for deliveries that wait: %w", err)
	}
	if s.Open == 0 {
		return s, nil
	}
	s.Taken, err = d.query(ctx, "take deliveries over", takeDeliveries, true, d.claims.Owner, d.claims.Lease, d.lane, limit, mine)
	return s, err
}

// Pause records that no call is under way, because the delivery has to wait for a moment.
// It renews the claim and updates u.WaitUntil. It returns ErrFenced if the claim is lost.
func (d *Deliveries) Pause(ctx context.Context, u *Unsent) error {
	return d.step(ctx, u, false, u.Step)
}

// Begin records that a call of step s may be made from now on. It renews the claim and
// updates u.WaitUntil. It returns ErrFenced if the claim is lost.
func (d *Deliveries) Begin(ctx context.Context, u *Unsent, s Step) error {
	return d.step(ctx, u, true, s)
}

func (d *Deliveries) step(ctx context.Context, u *Unsent, calling bool, s Step) error {
	until := time.Now().Add(d.claims.Lease)
	now, err := d.journal.steps.Do(ctx, step{d.claims, u, calling, s})
	switch {
	case err != nil:
		return fmt.Errorf("write down the step of delivery %s: %w", subject.TurnID(u.GetId()), err)
	case !now.held:
		return ErrFenced
	}
	u.Calling, u.Step, u.Until, u.WaitUntil = calling, s, until, now.waitUntil
	return nil
}

// step is a change of a claimed delivery's state.
type step struct {
	claims  Claims
	unsent  *Unsent
	calling bool
	step    Step
}

// stepped is the result of a step: whether the claim still held, and the end of the bot's
// wait.
type stepped struct {
	held      bool
	waitUntil time.Time
}

// after returns the time when a wait ends; zero for none.
func after(wait *time.Duration) time.Time {
	if wait == nil {
		return time.Time{}
	}
	return time.Now().Add(*wait)
}

// stepAll applies changes in one statement.
func (j *Journal) stepAll(ctx context.Context, steps []step) ([]stepped, error) {
	n := len(steps)
	chats, turns, parts, fences, owners := make([]int64, n), make([]int64, n), make([]int16, n), make([]int64, n), make([]int32, n)
	states, names, leases := make([]string, n), make([]string, n), make([]time.Duration, n)
	at := map[[3]int64]int{}
	for i, s := range steps {
		chat, turn := key(s.unsent.GetId())
		at[[3]int64{chat, turn, int64(s.unsent.Part)}] = i
	}
	for i, s := range inOrder(steps, func(s step) *chorusv1.TurnId { return s.unsent.GetId() }) {
		chats[i], turns[i] = key(s.unsent.GetId())
		parts[i], fences[i], owners[i] = int16(s.unsent.Part), s.unsent.fence, s.claims.Owner //nolint:gosec // a turn has few parts
		states[i], names[i], leases[i] = "claimed", string(s.step), s.claims.Lease
		if s.calling {
			states[i] = "sending"
		}
	}
	done := make([]stepped, n)
	var chat, turn, part int64
	var wait *time.Duration
	if err := store.Each(ctx, j.pool, "read", []any{&chat, &turn, &part, &wait}, func() error {
		done[at[[3]int64{chat, turn, part}]] = stepped{true, after(wait)}
		return nil
	}, stepDeliveries, chats, turns, parts, fences, owners, states, names, leases); err != nil {
		return nil, err
	}
	return done, nil
}

func (d *Deliveries) query(ctx context.Context, what, sql string, taken bool, args ...any) ([]*Unsent, error) {
	until := time.Now().Add(d.claims.Lease)
	return claimed(ctx, d.journal, what, func(row pgx.CollectableRow) (*Unsent, error) {
		u := &Unsent{Delivery: &chorusv1.Delivery{}, Lane: d.lane, Until: until}
		var chat, turn int64
		var payload []byte
		var wait *time.Duration
		var answered []int64 // nil if the turn answers no stored message
		err := row.Scan(&chat, &turn, &u.Part, &u.fence, &u.attempts, &u.Step, &u.Calling, &payload, &u.traceParent, &wait, &answered)
		if err != nil {
			return nil, err
		}
		if answered != nil {
			u.AnsweredID, u.AnsweredOwnID = answered[0], answered[1]
		}
		decode(payload, u.Delivery)
		u.Id = &chorusv1.TurnId{ChatId: chat, Number: turn}
		u.TakenOver = taken && u.Calling
		u.WaitUntil = after(wait)
		return u, nil
	}, sql, args...)
}

func sorted(chats []int64) []int64 { return slices.Sorted(slices.Values(chats)) }
