// Package journal keeps the rows of turns and deliveries. It is the truth of what was
// decided, written and sent: who works on what, in which order, and how it ended. All
// SQL about them is here.
//
// A row is claimed with a fence, which rises with every claim. Whoever writes about a row
// names its fence; so who has lost a claim changes nothing any more.
package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/batch"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

// Journal reads and writes the rows. It is safe for concurrent use.
type Journal struct {
	pool *pgxpool.Pool
	// steps are changes of claimed deliveries, made together.
	steps *batch.Group[step, stepped]
}

// New makes a journal on a database.
func New(pool *pgxpool.Pool) *Journal {
	j := &Journal{pool: pool}
	j.steps = batch.New(batch.Config{Max: 200, Calls: 1, Timeout: writeTimeout}, j.stepAll)
	return j
}

// writeTimeout bounds the statements that are made for many.
const writeTimeout = 10 * time.Second

// ErrFenced says that another process has claimed the row meanwhile, or that it has
// ended.
var ErrFenced = errors.New("another process has taken it over")

// Claims is how one process claims rows.
type Claims struct {
	// Owner identifies the process; see package lease.
	Owner int32
	// Lease is how long a claim holds.
	Lease time.Duration
}

// forgotten is a condition of a claim of this process that no statement under way has
// made: where the process does not know of it, the answer was lost. It is longer than any
// statement takes.
const forgotten = `claimed_until < now() + $2::interval - interval '15 seconds'`

// died is a condition of a claim c: its owner lives no longer. This process does, also where
// nobody can see it because its session was lost a moment ago. What it has claimed since its
// sweep looked which chats it works on was taken for a dead owner's then, of which no call
// was made, and was sent twice.
const died = `c.owner <> $1 AND ` + lease.Settled + ` AND NOT EXISTS (SELECT FROM alive a WHERE a.owner = c.owner)`

// key is a turn's key in SQL arguments.
func key(id *chorusv1.TurnId) (chatID, turnNo int64) { return id.GetChatId(), id.GetNumber() }

// TurnsOf are the turns of tasks.
func TurnsOf(tasks []stage.Task) []*chorusv1.TurnId {
	ids := make([]*chorusv1.TurnId, 0, len(tasks))
	for _, t := range tasks {
		if of, ok := t.(interface{ GetId() *chorusv1.TurnId }); ok {
			ids = append(ids, of.GetId())
		}
	}
	return ids
}

// inOrder are items in the order of their turns, in which rows are locked: so no two
// statements wait for each other.
func inOrder[T any](items []T, id func(T) *chorusv1.TurnId) []T {
	return slices.SortedFunc(slices.Values(items), func(a, b T) int {
		return cmp.Or(cmp.Compare(id(a).GetChatId(), id(b).GetChatId()), cmp.Compare(id(a).GetNumber(), id(b).GetNumber()))
	})
}

// instant is a time in SQL arguments: NULL for the zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// giveBack gives a claim back by a statement that its fence guards. One that was lost has
// nothing to be given back.
func (j *Journal) giveBack(ctx context.Context, what, sql string, args ...any) error {
	if _, err := j.pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("give %s back: %w", what, err)
	}
	return nil
}

// claimed gives the rows that a statement returns, once it has committed: its rows come
// before that.
func claimed[T any](ctx context.Context, j *Journal, what string, scan pgx.RowToFunc[*T], sql string, args ...any) ([]*T, error) {
	return store.Collect(ctx, j.pool, what, scan, sql, args...)
}

// decode reads a payload into a message. It is nil where there is none, and empty where
// nobody can read it.
func decode[M proto.Message](payload []byte, into M) M {
	var none M
	if payload == nil {
		return none
	}
	if err := proto.Unmarshal(payload, into); err != nil {
		proto.Reset(into)
	}
	return into
}

func encode(m proto.Message) ([]byte, error) {
	payload, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return payload, nil
}

// The deliveries of turns go with them. Dead letters that may be replayed stay.
//
// Turns are planned in the order of their numbers, so the oldest are the first. No
// more of them are looked at than may be deleted, and none where the first is young.
const deleteOld = `
WITH chat AS (SELECT now() - make_interval(days => retention_days) AS until FROM chats WHERE id = $1),
first AS MATERIALIZED (
    SELECT turn_no FROM chat, LATERAL (
        SELECT turn_no, planned_at FROM turns WHERE chat_id = $1 AND outcome IS DISTINCT FROM 'dead' ORDER BY turn_no LIMIT 1) t
    WHERE planned_at < until),
old AS MATERIALIZED (
    SELECT o.turn_no FROM first, chat, LATERAL (
        SELECT * FROM turns WHERE chat_id = $1 AND turn_no < first.turn_no + $2 AND planned_at < until AND outcome IS NOT NULL
        ORDER BY turn_no FOR UPDATE SKIP LOCKED) o
    WHERE NOT (o.outcome = 'dead' AND EXISTS (SELECT FROM dead_letters l WHERE l.chat_id = $1 AND l.turn_no = o.turn_no))
    LIMIT $2)
DELETE FROM turns t USING old WHERE t.chat_id = $1 AND t.turn_no = old.turn_no`

// DeleteOld deletes ended turns of a chat that are older than the chat keeps things,
// of its next limit turns, and that nobody changes at the moment, and tells how many.
func (j *Journal) DeleteOld(ctx context.Context, chatID int64, limit int) (int64, error) {
	tag, err := j.pool.Exec(ctx, deleteOld, chatID, limit)
	if err != nil {
		return 0, fmt.Errorf("delete old turns: %w", err)
	}
	return tag.RowsAffected(), nil
}
