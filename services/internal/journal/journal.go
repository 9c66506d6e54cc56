// Package journal keeps what was decided and what became of it: the rows of
// turns, deliveries, receipts and dead letters. It is the truth of which the
// bus is the transport: a row is committed before its message is published, and
// the keys of the rows decide what is a repetition.
package journal

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/batch"
)

// Journal reads and writes the rows. It is safe for concurrent use.
type Journal struct {
	pool *pgxpool.Pool
	now  func() time.Time
	// What is done for each delivery is done for all that come at a time: a
	// transaction costs much more than a row.
	deliveries *batch.Group[delivering, bool]
	claims     *batch.Group[claiming, *Claim]
	parkings   *batch.Group[parking, bool]
	ends       *batch.Group[ending, *string]
}

// New makes a journal on a database.
func New(pool *pgxpool.Pool) *Journal {
	j := &Journal{pool: pool, now: time.Now}
	together := batch.Config{Max: 200, Calls: 1, Timeout: writeTimeout}
	j.deliveries = batch.New(together, j.deliverAll)
	j.claims = batch.New(together, j.claimAll)
	j.parkings = batch.New(together, j.parkAll)
	j.ends = batch.New(together, j.finishAll)
	return j
}

// Timed gives a new journal the clock by which turns end, which is PostgreSQL's. It
// returns the journal.
func (j *Journal) Timed(now func() time.Time) *Journal {
	j.now = now
	return j
}

// writeTimeout bounds the transactions that are made for many.
const writeTimeout = 10 * time.Second

// When the relay looks at a new row: after this long, if whoever made it has not
// published it by then.
const relayGrace = 2 * time.Second

// When the relay looks at a published row that is still open: to see whether the
// bus still holds its message.
const relayCheck = 20 * time.Second

// State is how far a delivery has come.
type State string

// The states of a delivery.
const (
	// Pending deliveries have no call under way.
	Pending State = "pending"
	// Sending deliveries may have had a call made for them.
	Sending State = "sending"
	// Closed deliveries have ended.
	Closed State = "closed"
)

// Step is which of a delivery's calls is meant.
type Step string

// The steps of a delivery.
const (
	// Action is what the delivery is for.
	Action Step = "action"
	// Fallback is what is done when the action is refused for good.
	Fallback Step = "fallback"
)

// key is a turn's key in SQL arguments.
func key(id *chorusv1.TurnId) (chatID, turnNo int64) { return id.GetChatId(), id.GetNumber() }

// byTurn compares turns by their keys.
func byTurn(a, b *chorusv1.TurnId) int {
	return cmp.Or(cmp.Compare(a.GetChatId(), b.GetChatId()), cmp.Compare(a.GetNumber(), b.GetNumber()))
}

// ordered is what is wished for turns in their order, in which their rows are
// locked, so that no two statements wait for each other; and at which place among
// the wishes each turn's was.
func ordered[W any](wishes []W, id func(W) *chorusv1.TurnId) (sorted []W, at map[[2]int64]int) {
	at = make(map[[2]int64]int, len(wishes))
	for i, w := range wishes {
		chat, turn := key(id(w))
		at[[2]int64{chat, turn}] = i
	}
	return slices.SortedFunc(slices.Values(wishes), func(a, b W) int { return byTurn(id(a), id(b)) }), at
}

// among tells of each of n wishes whether its turn is among the rows.
func among(rows pgx.Rows, at map[[2]int64]int, n int) ([]bool, error) {
	is := make([]bool, n)
	var chat, turn int64
	_, err := pgx.ForEachRow(rows, []any{&chat, &turn}, func() error {
		is[at[[2]int64{chat, turn}]] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return is, nil
}
