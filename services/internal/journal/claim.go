package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
)

// Claim is the right to make a delivery's next call. Whoever claims after it
// has a higher fence, and then this claim can write nothing any more.
type Claim struct {
	Turn  *chorusv1.TurnId
	Fence int64
	Step  Step
	// Attempts counts the calls made, the one that is claimed included.
	Attempts int
	// Number is the message number kept for what is sent.
	Number int64
}

// ErrFenced says that another process has claimed the delivery meanwhile.
var ErrFenced = errors.New("another sender has taken the delivery over")

// Refusal says why a delivery can't be claimed.
type Refusal struct {
	Reason RefusalReason
	// Until is when a parked delivery, or the one ahead, comes back; zero if it
	// is not parked.
	Until time.Time
	// Wait is for how long the bot of a cooling delivery has to wait.
	Wait time.Duration
	// Step, Fence and Owner are those of a call that was begun.
	Step  Step
	Fence int64
	Owner string
}

// RefusalReason is why a delivery can't be claimed.
type RefusalReason int

// The reasons.
const (
	// Missing deliveries are not in the journal.
	Missing RefusalReason = iota
	// Over deliveries have ended.
	Over
	// Parked deliveries wait for their time.
	Parked
	// Behind an earlier turn of the chat whose delivery of the same action goes
	// first, and may be still to be made.
	Behind
	// Orphaned deliveries have had a call begun, of which nobody wrote the end, by
	// an owner that is silent.
	Orphaned
	// Cooling deliveries are of a bot that Telegram told to wait in the chat.
	Cooling
	// Attended deliveries have a call under way: their owner lives, and it is not
	// so long ago that they were claimed that it must have forgotten them.
	Attended
)

// A claim succeeds for the chat's first open delivery of its kind only, so that
// the order holds whatever the bus does and whoever reads it. A message waits for
// the texts of earlier turns, too: a turn that the bus gave out again is written
// after the next one. Answers to commands belong to no conversation, and wait for
// nothing.
const inOrder = `
  (t.topic LIKE '/%' OR
    NOT EXISTS (SELECT FROM deliveries e WHERE e.chat_id = d.chat_id AND e.action = d.action AND e.turn_no < d.turn_no AND e.closed_at IS NULL)
    AND NOT EXISTS (SELECT FROM turns e WHERE e.chat_id = d.chat_id AND e.turn_no < d.turn_no AND e.outcome IS NULL AND e.kind <> 'reaction'
      AND d.action = 'send_message' AND e.expires_at > now() AND e.topic NOT LIKE '/%'))`

const claim = `
UPDATE deliveries d SET state = 'sending', owner = i.owner, claimed_at = now(), fence = fence + 1, attempts = attempts + 1
FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS i(chat_id, turn_no, owner) JOIN turns t USING (chat_id, turn_no)
WHERE d.chat_id = i.chat_id AND d.turn_no = i.turn_no AND d.state = 'pending' AND d.not_before IS NULL AND` + inOrder + ` AND` + mayCall + `
RETURNING d.chat_id, d.turn_no, d.fence, d.step, d.attempts, nextval('message_numbers')`

// claiming is a wish to claim a delivery.
type claiming struct {
	id    *chorusv1.TurnId
	owner string
}

// claimAll claims what of it can be claimed; the other claims are nil.
func (j *Journal) claimAll(ctx context.Context, wishes []claiming) ([]*Claim, error) {
	n := len(wishes)
	chats, turns, owners := make([]int64, n), make([]int64, n), make([]string, n)
	sorted, at := ordered(wishes, func(w claiming) *chorusv1.TurnId { return w.id })
	for i, w := range sorted {
		chats[i], turns[i] = key(w.id)
		owners[i] = w.owner
	}
	rows, err := j.pool.Query(ctx, claim, chats, turns, owners)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	claims := make([]*Claim, n)
	var chat, turn int64
	var c Claim
	_, err = pgx.ForEachRow(rows, []any{&chat, &turn, &c.Fence, &c.Step, &c.Attempts, &c.Number}, func() error {
		i := at[[2]int64{chat, turn}]
		got := c
		got.Turn = wishes[i].id
		claims[i] = &got
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return claims, nil
}

const refusal = `
SELECT d.state, d.step, d.fence, coalesce(d.owner, ''), d.not_before, ahead.turn_no IS NOT NULL, ahead.not_before,
    EXISTS (SELECT FROM senders s WHERE s.owner = d.owner AND s.owner <> $3 AND s.seen_at > now() - $4::interval)
        AND d.claimed_at > now() - $5::interval,
    (SELECT max(w.until) - now() FROM waits w WHERE w.bot_id = d.bot_id AND w.chat_id IN (d.chat_id, 0) AND w.until > now())
FROM deliveries d LEFT JOIN LATERAL (
    SELECT turn_no, not_before FROM deliveries e
    WHERE e.chat_id = d.chat_id AND e.action = d.action AND e.turn_no < d.turn_no AND e.closed_at IS NULL
    ORDER BY turn_no DESC LIMIT 1) ahead ON true
WHERE d.chat_id = $1 AND d.turn_no = $2`

// Claim takes a delivery for a call. It returns either a claim or the reason
// why there is none.
func (j *Journal) Claim(ctx context.Context, id *chorusv1.TurnId, owner string) (*Claim, *Refusal, error) {
	c, err := j.claims.Do(ctx, claiming{id, owner})
	if err != nil {
		return nil, nil, fmt.Errorf("claim delivery %s: %w", subject.TurnID(id), err)
	}
	if c != nil {
		return c, nil, nil
	}
	r, err := j.refusal(ctx, id, owner)
	return nil, r, err
}

func (j *Journal) refusal(ctx context.Context, id *chorusv1.TurnId, asks string) (*Refusal, error) {
	chat, number := key(id)
	var (
		state             State
		r                 Refusal
		notBefore, aheadT *time.Time
		behind, attended  bool
		cooling           *time.Duration
	)
	err := j.pool.QueryRow(ctx, refusal, chat, number, asks, silence, callTime).
		Scan(&state, &r.Step, &r.Fence, &r.Owner, &notBefore, &behind, &aheadT, &attended, &cooling)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		r.Reason = Missing
	case err != nil:
		return nil, fmt.Errorf("look at delivery %s: %w", subject.TurnID(id), err)
	case state == Closed:
		r.Reason = Over
	case state == Sending && attended:
		r.Reason = Attended
	case state == Sending:
		r.Reason = Orphaned
	case notBefore != nil:
		r.Reason, r.Until = Parked, *notBefore
	case !behind && cooling != nil:
		r.Reason, r.Wait = Cooling, *cooling
	default:
		// What was ahead a moment ago may be gone by now: then the next try
		// succeeds.
		r.Reason = Behind
		if behind && aheadT != nil {
			r.Until = *aheadT
		}
	}
	return &r, nil
}

const waits = `SELECT NOT ` + inOrder + ` FROM deliveries d JOIN turns t USING (chat_id, turn_no) WHERE d.chat_id = $1 AND d.turn_no = $2`

// Waits tells whether a delivery would be refused for being behind another. It may
// change at any moment, and no claim need ask for it.
func (j *Journal) Waits(ctx context.Context, id *chorusv1.TurnId) (behind bool, err error) {
	chat, number := key(id)
	err = j.pool.QueryRow(ctx, waits, chat, number).Scan(&behind)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("look what is ahead of delivery %s: %w", subject.TurnID(id), err)
	}
	return behind, nil
}

const takeOver = `
UPDATE deliveries SET owner = $4, claimed_at = now(), fence = fence + 1, attempts = attempts + 1
WHERE chat_id = $1 AND turn_no = $2 AND state = 'sending' AND fence = $3
RETURNING fence, step, attempts, nextval('message_numbers')`

// TakeOver claims an orphan, for a call that may be made twice.
func (j *Journal) TakeOver(ctx context.Context, id *chorusv1.TurnId, fence int64, owner string) (*Claim, error) {
	chat, number := key(id)
	c := &Claim{Turn: id}
	err := j.pool.QueryRow(ctx, takeOver, chat, number, fence, owner).Scan(&c.Fence, &c.Step, &c.Attempts, &c.Number)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrFenced
	}
	if err != nil {
		return nil, fmt.Errorf("take over delivery %s: %w", subject.TurnID(id), err)
	}
	return c, nil
}

const (
	release = `
UPDATE deliveries SET state = 'pending', owner = NULL
WHERE chat_id = $1 AND turn_no = $2 AND state = 'sending' AND fence = $3`

	fallBack = `
UPDATE deliveries SET state = 'pending', owner = NULL, step = 'fallback'
WHERE chat_id = $1 AND turn_no = $2 AND state = 'sending' AND fence = $3`

	park = `
UPDATE deliveries SET state = 'pending', owner = NULL, not_before = $4, relay_at = $4
WHERE chat_id = $1 AND turn_no = $2 AND state = 'sending' AND fence = $3`

	parkBehind = `
UPDATE deliveries d SET not_before = i.until, relay_at = i.until
FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS i(chat_id, turn_no, until)
WHERE d.chat_id = i.chat_id AND d.turn_no = i.turn_no AND d.state = 'pending' AND d.not_before IS NULL
RETURNING d.chat_id, d.turn_no`
)

// Release gives a claim up after a call that certainly had no effect.
func (j *Journal) Release(ctx context.Context, c *Claim) error {
	return j.fenced(ctx, release, c)
}

// FallBack gives a claim up after the action was refused for good: the next
// claim is on the fallback.
func (j *Journal) FallBack(ctx context.Context, c *Claim) error {
	return j.fenced(ctx, fallBack, c)
}

// Park gives a claim up until an instant at which the sender's relay publishes
// the delivery anew. The bus message may then be acknowledged.
func (j *Journal) Park(ctx context.Context, c *Claim, until time.Time) error {
	return j.fenced(ctx, park, c, until)
}

// ParkBehind parks a delivery that nobody has claimed, because one ahead of it
// is parked. It does nothing to one that is not pending any more.
// It returns why, where it did nothing: an orphan's message must not be taken for
// parked.
func (j *Journal) ParkBehind(ctx context.Context, id *chorusv1.TurnId, until time.Time, owner string) (*Refusal, error) {
	parked, err := j.parkings.Do(ctx, parking{id, until})
	if err != nil {
		return nil, fmt.Errorf("park delivery %s: %w", subject.TurnID(id), err)
	}
	if parked {
		return nil, nil //nolint:nilnil // and so not refused
	}
	return j.refusal(ctx, id, owner)
}

// parking is a wish to park a delivery.
type parking struct {
	id    *chorusv1.TurnId
	until time.Time
}

// parkAll parks what of it can be parked, and tells of each whether it was.
func (j *Journal) parkAll(ctx context.Context, wishes []parking) ([]bool, error) {
	n := len(wishes)
	chats, turns, times := make([]int64, n), make([]int64, n), make([]time.Time, n)
	sorted, at := ordered(wishes, func(w parking) *chorusv1.TurnId { return w.id })
	for i, w := range sorted {
		chats[i], turns[i] = key(w.id)
		times[i] = w.until
	}
	rows, err := j.pool.Query(ctx, parkBehind, chats, turns, times)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	return among(rows, at, n)
}

func (j *Journal) fenced(ctx context.Context, sql string, c *Claim, more ...any) error {
	chat, number := key(c.Turn)
	tag, err := j.pool.Exec(ctx, sql, append([]any{chat, number, c.Fence}, more...)...)
	if err != nil {
		return fmt.Errorf("update delivery %s: %w", subject.TurnID(c.Turn), err)
	}
	if tag.RowsAffected() == 0 {
		return ErrFenced
	}
	return nil
}
