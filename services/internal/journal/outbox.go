package journal

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
)

// Entry is a committed row whose message is to be published.
type Entry struct {
	Turn    *chorusv1.TurnId // nil for a dead letter
	Letter  string           // a dead letter's id
	Message bus.Message
	// Sequence is where the bus put it last; 0 if it was never published.
	Sequence uint64
	// Publication is which of the row's publications the message is, from 0.
	Publication int
}

// compare gives the order in which the rows of entries are locked.
func (e Entry) compare(other Entry) int { return byTurn(e.Turn, other.Turn) }

// Outbox is the rows of one kind whose messages one service is answerable for.
type Outbox struct {
	pool *pgxpool.Pool
	// Name is for logs and metrics.
	Name string
	// Stream is where the messages go.
	Stream string

	claim, mark, giveBack, renew, hurry string
	args                                []any
	// holds is how long a claim of a row holds; 0 for as long as relayCheck.
	holds   time.Duration
	subject func(outboxRow) (string, error)
}

type outboxRow struct {
	ChatID      int64
	TurnNo      int64
	Letter      string
	Kind        string
	Publication int
	Payload     []byte
	Traceparent string
	Sequence    int64
}

// Claiming moves relay_at on, so that of several relays one gets a row, and
// leaves it to the others should it die. $1 is the most rows, $2 the time that
// the claim holds. What was published long ago and still waits is looked at less
// and less often: else a long queue would keep the relays busy with it.
//
// A turn that has a delivery is no longer to be published. That is written down
// here, and not with the delivery: most turns end before anybody looks at them.
const (
	claimTurns = `
WITH made AS (
    SELECT t.chat_id, t.turn_no FROM turns t JOIN deliveries USING (chat_id, turn_no) WHERE t.relay_at <= now()
    LIMIT 10 * $1 FOR UPDATE OF t SKIP LOCKED),
settled AS (
    UPDATE turns t SET relay_at = NULL FROM made WHERE (t.chat_id, t.turn_no) = (made.chat_id, made.turn_no)),
due AS (
    SELECT chat_id, turn_no FROM turns t WHERE relay_at <= now() AND expires_at > now()
        AND NOT EXISTS (SELECT FROM deliveries d WHERE (d.chat_id, d.turn_no) = (t.chat_id, t.turn_no))
    ORDER BY relay_at LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE turns t SET relay_at = now() + least(greatest($2::interval, now() - t.published_at), 6 * $2::interval) FROM due
WHERE (t.chat_id, t.turn_no) = (due.chat_id, due.turn_no)
RETURNING t.chat_id, t.turn_no, '' AS letter, t.kind, t.publication, t.payload, t.traceparent, coalesce(t.bus_sequence, 0) AS sequence`

	claimDeliveries = `
WITH due AS (
    SELECT chat_id, turn_no FROM deliveries WHERE relay_at <= now() AND not_before IS NULL AND action = $3 AND (expires_at > now() OR state = 'sending')
    ORDER BY relay_at LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE deliveries d SET relay_at = now() + least(greatest($2::interval, now() - d.published_at), 6 * $2::interval) FROM due
WHERE (d.chat_id, d.turn_no) = (due.chat_id, due.turn_no)
RETURNING d.chat_id, d.turn_no, '' AS letter, d.action AS kind, d.publication, d.payload, d.traceparent, coalesce(d.bus_sequence, 0) AS sequence`

	// A parked delivery whose time has come is a new publication, which the bus
	// does not know yet. If who takes it out dies before it is published, it is for
	// the relay of those who make deliveries: soon, because its chat waits for it.
	claimParked = `
WITH due AS (
    SELECT chat_id, turn_no FROM deliveries WHERE relay_at <= now() AND not_before IS NOT NULL
    ORDER BY relay_at LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE deliveries d SET relay_at = now() + $2::interval, not_before = NULL, publication = publication + 1, bus_sequence = NULL FROM due
WHERE (d.chat_id, d.turn_no) = (due.chat_id, due.turn_no)
RETURNING d.chat_id, d.turn_no, '' AS letter, d.action AS kind, d.publication, d.payload, d.traceparent, 0 AS sequence`

	claimReceipts = `
WITH due AS (
    SELECT chat_id, turn_no FROM receipts WHERE relay_at <= now()
    ORDER BY relay_at LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE receipts r SET relay_at = now() + $2 FROM due
WHERE (r.chat_id, r.turn_no) = (due.chat_id, due.turn_no)
RETURNING r.chat_id, r.turn_no, '' AS letter, r.outcome AS kind, 0 AS publication, r.payload, r.traceparent, coalesce(r.bus_sequence, 0) AS sequence`

	claimLetters = `
WITH due AS (
    SELECT id FROM dead_letters WHERE relay_at <= now() ORDER BY relay_at LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE dead_letters l SET relay_at = now() + $2 FROM due
WHERE l.id = due.id
RETURNING coalesce(l.chat_id, 0) AS chat_id, coalesce(l.turn_no, 0) AS turn_no, l.id AS letter, l.stream AS kind, 0 AS publication,
    l.payload, '' AS traceparent, coalesce(l.bus_sequence, 0) AS sequence`
)

// Marking records where the bus put the messages. A work queue's rows are looked
// at again later, for as long as they are open; rows whose stream keeps its
// messages are done. $1 to $4 are the entries, $5 is when to look again, $6 the
// entries' publications: who was slow to record an old one must not put it in the
// place of a newer, which would then pass for lost.
//
// The commit does not wait for the disk: what a crash of the server takes with it
// is published again, and the bus drops it by its id.
//
// Whether a row is still to be looked at is no condition: asked for that, the
// database may read all that are, instead of the few that it is given the keys
// of.
const (
	marks = `FROM (SELECT *, $5::interval AS again, set_config('synchronous_commit', 'off', true)
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $6::integer[]) AS u(chat_id, turn_no, letter, sequence, publication)) m WHERE `
	markOpen       = `SET published_at = now(), bus_sequence = m.sequence, relay_at = CASE WHEN r.relay_at IS NOT NULL THEN now() + m.again END ` + marks + ofTurn + ` AND r.publication = m.publication`
	markTurns      = `UPDATE turns r ` + markOpen
	markDeliveries = `UPDATE deliveries r ` + markOpen + ` AND r.not_before IS NULL`
	markReceipts   = `UPDATE receipts r SET published_at = now(), bus_sequence = m.sequence, relay_at = NULL ` + marks + ofTurn
	markLetters    = `UPDATE dead_letters r SET published_at = now(), bus_sequence = m.sequence, relay_at = NULL ` + marks + ofLetter

	ofTurn   = `(r.chat_id, r.turn_no) = (m.chat_id, m.turn_no)`
	ofLetter = `r.id = m.letter`
)

// Returning makes entries due again that were claimed and could not be
// published. $1 to $3 are the entries.
const (
	returned        = `SET relay_at = CASE WHEN r.relay_at IS NOT NULL THEN now() END FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS m(chat_id, turn_no, letter) WHERE `
	returnTurns     = `UPDATE turns r ` + returned + ofTurn
	returnDelivered = `UPDATE deliveries r ` + returned + ofTurn + ` AND r.not_before IS NULL`
	returnReceipts  = `UPDATE receipts r ` + returned + ofTurn
	returnLetters   = `UPDATE dead_letters r ` + returned + ofLetter
)

// Renewing makes publications of entries that the bus has lost. It may know their
// old ids all the same, and would drop what has them.
const (
	renewed        = `SET publication = r.publication + 1, bus_sequence = NULL FROM unnest($1::bigint[], $2::bigint[]) AS m(chat_id, turn_no) WHERE ` + ofTurn + ` RETURNING r.chat_id, r.turn_no, r.publication`
	renewTurns     = `UPDATE turns r ` + renewed
	renewDelivered = `UPDATE deliveries r ` + renewed
)

// Hurrying makes every published row that is still open be looked at now.
const (
	hurryTurns      = `UPDATE turns SET relay_at = now() WHERE relay_at > now()`
	hurryDeliveries = `UPDATE deliveries SET relay_at = now() WHERE relay_at > now() AND not_before IS NULL AND action = $1`
	hurryReceipts   = `UPDATE receipts SET relay_at = now() WHERE relay_at > now()`
	hurryLetters    = `UPDATE dead_letters SET relay_at = now() WHERE relay_at > now()`
)

// Turns are published by the planner.
func (j *Journal) Turns() *Outbox {
	return &Outbox{
		pool: j.pool, Name: "turns", Stream: subject.Turns,
		claim: claimTurns, mark: markTurns, giveBack: returnTurns, renew: renewTurns, hurry: hurryTurns,
		subject: func(r outboxRow) (string, error) { return subject.Turn(r.ChatID), nil },
	}
}

// Deliveries of one action are published by whoever makes them: reactions by
// the planner, messages by the generator.
func (j *Journal) Deliveries(action chorusv1.Action) *Outbox {
	return &Outbox{
		pool: j.pool, Name: subject.ActionName(action), Stream: subject.Deliveries,
		claim: claimDeliveries, mark: markDeliveries, giveBack: returnDelivered, renew: renewDelivered, hurry: hurryDeliveries,
		args:    []any{subject.ActionName(action)},
		subject: deliverySubject,
	}
}

// Parked deliveries are published by the sender when their time has come.
func (j *Journal) Parked() *Outbox {
	return &Outbox{
		pool: j.pool, Name: "parked", Stream: subject.Deliveries,
		claim: claimParked, mark: markDeliveries, giveBack: returnDelivered, holds: relayGrace,
		subject: deliverySubject,
	}
}

// Receipts are published by whoever closes turns: the sender, and the others
// where a turn expires with them.
func (j *Journal) Receipts() *Outbox {
	return &Outbox{
		pool: j.pool, Name: "receipts", Stream: subject.Receipts,
		claim: claimReceipts, mark: markReceipts, giveBack: returnReceipts, hurry: hurryReceipts,
		subject: func(r outboxRow) (string, error) { return subject.ReceiptNamed(r.Kind, r.ChatID), nil },
	}
}

// Letters are published by whoever buries them.
func (j *Journal) Letters() *Outbox {
	return &Outbox{
		pool: j.pool, Name: "dead_letters", Stream: subject.Dead,
		claim: claimLetters, mark: markLetters, giveBack: returnLetters, hurry: hurryLetters,
		subject: func(r outboxRow) (string, error) { return subject.DeadLetter(r.Kind, r.ChatID), nil },
	}
}

func deliverySubject(r outboxRow) (string, error) {
	action, err := subject.ParseAction(r.Kind)
	if err != nil {
		return "", err
	}
	return subject.Delivery(action, r.ChatID)
}

// Claim takes up to limit rows whose time has come, in the order of their turns.
func (o *Outbox) Claim(ctx context.Context, limit int) ([]Entry, error) {
	rows, err := o.pool.Query(ctx, o.claim, append([]any{limit, cmp.Or(o.holds, relayCheck)}, o.args...)...)
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", o.Name, err)
	}
	entries, err := pgx.CollectRows(rows, o.entry)
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", o.Name, err)
	}
	slices.SortFunc(entries, Entry.compare)
	return entries, nil
}

func (o *Outbox) entry(row pgx.CollectableRow) (Entry, error) {
	r, err := pgx.RowToStructByName[outboxRow](row)
	if err != nil {
		return Entry{}, err
	}
	to, err := o.subject(r)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		Turn: &chorusv1.TurnId{ChatId: r.ChatID, Number: r.TurnNo}, Letter: r.Letter,
		Message:     bus.Message{Subject: to, ID: r.Letter, Payload: r.Payload, TraceParent: r.Traceparent},
		Sequence:    uint64(r.Sequence), //nolint:gosec // a stream's sequence, from 1
		Publication: r.Publication,
	}
	if r.Letter == "" {
		e.Message.ID = subject.MessageID(e.Turn, r.Publication)
	}
	return e, nil
}

// Published records where the bus put the entries, given in Sequence.
func (o *Outbox) Published(ctx context.Context, entries []Entry) error {
	n := len(entries)
	entries = slices.SortedFunc(slices.Values(entries), Entry.compare)
	chats, turns, letters, sequences, publications := make([]int64, n), make([]int64, n), make([]string, n), make([]int64, n), make([]int, n)
	for i, e := range entries {
		chats[i], turns[i] = key(e.Turn)
		letters[i], sequences[i] = e.Letter, int64(e.Sequence) //nolint:gosec // a stream's sequence
		publications[i] = e.Publication
	}
	if _, err := o.pool.Exec(ctx, o.mark, chats, turns, letters, sequences, relayCheck, publications); err != nil {
		return fmt.Errorf("mark %s as published: %w", o.Name, err)
	}
	return nil
}

// Return makes claimed entries due again at once: they could not be published.
// Without it they would wait until the claim ends.
func (o *Outbox) Return(ctx context.Context, entries []Entry) error {
	n := len(entries)
	entries = slices.SortedFunc(slices.Values(entries), Entry.compare)
	chats, turns, letters := make([]int64, n), make([]int64, n), make([]string, n)
	for i, e := range entries {
		chats[i], turns[i] = key(e.Turn)
		letters[i] = e.Letter
	}
	if _, err := o.pool.Exec(ctx, o.giveBack, chats, turns, letters); err != nil {
		return fmt.Errorf("give %s back: %w", o.Name, err)
	}
	return nil
}

// Renew gives entries that the bus has lost new message ids.
func (o *Outbox) Renew(ctx context.Context, entries []Entry) ([]Entry, error) {
	if o.renew == "" || len(entries) == 0 {
		return entries, nil
	}
	chats, turns := make([]int64, len(entries)), make([]int64, len(entries))
	sorted, at := ordered(entries, func(e Entry) *chorusv1.TurnId { return e.Turn })
	for i, e := range sorted {
		chats[i], turns[i] = key(e.Turn)
	}
	rows, err := o.pool.Query(ctx, o.renew, chats, turns)
	if err != nil {
		return nil, fmt.Errorf("renew %s: %w", o.Name, err)
	}
	var chat, turn int64
	var publication int
	_, err = pgx.ForEachRow(rows, []any{&chat, &turn, &publication}, func() error {
		e := &entries[at[[2]int64{chat, turn}]]
		e.Message.ID, e.Sequence, e.Publication = subject.MessageID(e.Turn, publication), 0, publication
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("renew %s: %w", o.Name, err)
	}
	return entries, nil
}

// Hurry makes the relay look at every open row now: after the bus was lost, and
// perhaps all it held with it.
func (o *Outbox) Hurry(ctx context.Context) error {
	if o.hurry == "" {
		return nil
	}
	if _, err := o.pool.Exec(ctx, o.hurry, o.args...); err != nil {
		return fmt.Errorf("hurry %s: %w", o.Name, err)
	}
	return nil
}
