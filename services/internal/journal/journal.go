// Package journal stores turns and deliveries in PostgreSQL. Its rows are the single source
// of truth: who works on a turn, in which order, and how it ended. All SQL on these tables
// is in this package.
//
// Every claim of a row raises its fence, and every write names the fence of its claim. So a
// process that has lost a claim can no longer change the row.
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
	// steps batches the state changes of claimed deliveries.
	steps *batch.Group[step, stepped]
}

// New returns a journal on a database.
func New(pool *pgxpool.Pool) *Journal {
	j := &Journal{pool: pool}
	j.steps = batch.New(batch.Config{Max: 200, Calls: 1, Timeout: writeTimeout}, j.stepAll)
	return j
}

// writeTimeout limits a batched statement.
const writeTimeout = 10 * time.Second

// ErrFenced reports that the claim is lost: another process has claimed the row, or it has
// ended.
var ErrFenced = errors.New("another process has taken it over")

// Claims says for which process, and for how long, rows are claimed.
type Claims struct {
	// Owner identifies the process; see package lease.
	Owner int32
	// Lease is the duration of a claim.
	Lease time.Duration
}

// forgotten selects this process' claims whose response was lost: they are too old to
// belong to a statement that still runs, and the process doesn't know of them. 15 seconds
// are longer than any statement takes.
const forgotten = `claimed_until < now() + $2::interval - interval '15 seconds'`

// died selects claims c of dead owners. It excludes this process, which lives even when its
// lock can't be seen because it has just lost its session. Without this, a claim made after
// the sweep had listed the chats in work counted as a dead owner's claim without a call,
// and was sent twice.
const died = `c.owner <> $1 AND ` + lease.Settled + ` AND NOT EXISTS (SELECT FROM alive a WHERE a.owner = c.owner)`

// key splits a turn's id into SQL arguments.
func key(id *chorusv1.TurnId) (chatID, turnNo int64) { return id.GetChatId(), id.GetNumber() }

// TurnsOf returns the ids of the turns of tasks.
func TurnsOf(tasks []stage.Task) []*chorusv1.TurnId {
	ids := make([]*chorusv1.TurnId, 0, len(tasks))
	for _, t := range tasks {
		if of, ok := t.(interface{ GetId() *chorusv1.TurnId }); ok {
			ids = append(ids, of.GetId())
		}
	}
	return ids
}

// inOrder sorts items by their turns' ids. All statements lock rows in this order, so they
// can't deadlock.
func inOrder[T any](items []T, id func(T) *chorusv1.TurnId) []T {
	return slices.SortedFunc(slices.Values(items), func(a, b T) int {
		return cmp.Or(cmp.Compare(id(a).GetChatId(), id(b).GetChatId()), cmp.Compare(id(a).GetNumber(), id(b).GetNumber()))
	})
}

// instant converts a time to an SQL argument: NULL for the zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// giveBack releases a claim with a statement that checks its fence. If the claim is lost,
// the statement changes nothing.
func (j *Journal) giveBack(ctx context.Context, what, sql string, args ...any) error {
	if _, err := j.pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("give %s back: %w", what, err)
	}
	return nil
}

// claimed runs a statement and returns its rows after the commit. PostgreSQL sends rows
// before it commits, so the rows of a failed statement are dropped.
func claimed[T any](ctx context.Context, j *Journal, what string, scan pgx.RowToFunc[*T], sql string, args ...any) ([]*T, error) {
	return store.Collect(ctx, j.pool, what, scan, sql, args...)
}

// decode unmarshals a payload into a message. It returns nil for a nil payload, and an
// empty message for one that can't be unmarshalled.
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

// Deleting a turn deletes its deliveries. Turns with a dead letter stay, because they may
// be replayed.
//
// A chat's turns are planned in the order of their numbers, so the first ones are the
// oldest. The statement reads at most $2 turns, and none if the first is too young.
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

// DeleteOld deletes ended turns of a chat that are older than the chat's retention, and
// returns their number. It looks at the oldest limit turns and skips those that are locked.
func (j *Journal) DeleteOld(ctx context.Context, chatID int64, limit int) (int64, error) {
	tag, err := j.pool.Exec(ctx, deleteOld, chatID, limit)
	if err != nil {
		return 0, fmt.Errorf("delete old turns: %w", err)
	}
	return tag.RowsAffected(), nil
}
