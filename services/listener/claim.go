package listener

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Each bot is listened to by the process that owns its row in listening, while that process
// holds its lease. For a moment two processes may listen to one bot. Then Telegram ends the
// poll of one of them, and updates that both receive are written once.
const (
	// The statement reads the owners before the living processes, and replaces an owner
	// only if it is still the one it read. So a process that has just started isn't taken
	// for a dead one.
	claimBots = `
WITH alive AS MATERIALIZED (` + lease.Alive + `),
free AS MATERIALIZED (
    SELECT id, owner FROM unnest($1::bigint[]) id LEFT JOIN listening ON bot_id = id
    WHERE owner IS NULL OR owner = $2 OR ` + lease.Settled + ` AND NOT EXISTS (SELECT FROM alive a WHERE a.owner = listening.owner))
INSERT INTO listening AS l (bot_id, update_offset, owner) SELECT id, 0, $2 FROM free ORDER BY id
ON CONFLICT (bot_id) DO UPDATE SET owner = excluded.owner
WHERE l.owner IS NOT DISTINCT FROM (SELECT f.owner FROM free f WHERE f.id = l.bot_id)
RETURNING bot_id`

	// Other listeners find the free bots within listener.claim.
	releaseBots = `UPDATE listening SET owner = NULL WHERE owner = $1 AND bot_id = ANY($2)`
	releaseAll  = `UPDATE listening SET owner = NULL WHERE owner = $1`
)

const (
	shortestRetry = 100 * time.Millisecond
	longestRetry  = 5 * time.Second
)

// run claims bots and listens to them until the context ends. It retries with a backoff.
func (l *Listener) run(ctx context.Context) {
	retries := retrypolicy.NewBuilder[any]().WithMaxRetries(-1).WithBackoff(shortestRetry, longestRetry).WithJitterFactor(0.2).Build()
	l.Lease.While(ctx, func(ctx context.Context) {
		for ctx.Err() == nil {
			// The only error is the end of the context.
			_ = failsafe.With(retries).WithContext(ctx).Run(func() error {
				began := time.Now()
				err := l.hold(ctx)
				if ctx.Err() != nil {
					return nil //nolint:nilerr // errors at the end of the context are expected
				}
				l.note(ctx, err)
				if time.Since(began) > longestRetry {
					return nil // hold worked for a while, so the next try needs no delay
				}
				return err
			})
		}
	})
}

// claims holds the bots that this process listens to.
type claims struct {
	l       *Listener
	active  map[int64]*claim
	retryAt map[int64]time.Time // bots that are not claimed until then
	pollers sync.WaitGroup
}

// claim is one bot that this process listens to.
type claim struct {
	bot    bot
	cancel context.CancelFunc
	done   chan struct{}
	err    error // the reason of its end; set before done is closed
}

// hold claims bots and listens to them until the database fails or the context ends. Then
// it releases them.
func (l *Listener) hold(ctx context.Context) (err error) {
	if err := l.readCast(ctx); err != nil {
		return err
	}
	listening, stop := context.WithCancel(ctx)
	c := &claims{l: l, active: map[int64]*claim{}, retryAt: map[int64]time.Time{}}
	defer func() {
		stop()
		c.pollers.Wait()
		err = errors.Join(err, c.end(context.WithoutCancel(ctx)))
	}()
	for {
		if err := c.round(listening); err != nil {
			return err
		}
		var again <-chan time.Time // stays nil while this process listens to all bots
		if !c.all() {
			again = time.After(l.cfg.Claim)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-l.changed:
			if err := l.readCast(ctx); err != nil {
				return err
			}
		}
	}
}

// round releases the bots that ended and claims free ones. It makes no statement if this
// process listens to all bots.
func (c *claims) round(ctx context.Context) error {
	cast := c.l.cast.Load()
	if err := c.release(ctx, c.ended(cast)); err != nil {
		return err
	}
	var free []int64
	for id := range cast.active {
		if c.active[id] == nil && !time.Now().Before(c.retryAt[id]) {
			free = append(free, id)
		}
	}
	if len(free) == 0 {
		return nil
	}
	querying, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	got, err := store.Collect(querying, c.l.Pool, "claim bots", pgx.RowTo[int64], claimBots, free, c.l.Lease.Owner())
	if err != nil {
		return err
	}
	for _, id := range got {
		c.listen(ctx, cast.active[id])
	}
	if len(got) > 0 {
		signal(c.l.commanded) // a previous owner may have died with open commands
	}
	return nil
}

// all tells whether this process listens to all bots.
func (c *claims) all() bool {
	for id := range c.l.cast.Load().active {
		if c.active[id] == nil {
			return false
		}
	}
	return true
}

// ended cancels the bots that changed or were removed, and returns those whose poller has
// stopped. The caller releases them.
func (c *claims) ended(now *cast) []int64 {
	var over []int64
	for id, a := range c.active {
		if b, ok := now.active[id]; !ok || !b.same(a.bot) {
			a.cancel()
		}
		select {
		case <-a.done:
			over = append(over, id)
			delete(c.active, id)
			delete(c.retryAt, id)
			if a.err != nil {
				c.retryAt[id] = time.Now().Add(c.l.cfg.Yield)
			}
		default:
		}
	}
	return over
}

// end releases all bots, also those that a statement has claimed whose result was lost
// because the context ended.
func (c *claims) end(ctx context.Context) error { return c.giveBack(ctx, releaseAll) }

func (c *claims) release(ctx context.Context, bots []int64) error {
	if len(bots) == 0 {
		return nil
	}
	return c.giveBack(ctx, releaseBots, bots)
}

func (c *claims) giveBack(ctx context.Context, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	if _, err := c.l.Pool.Exec(ctx, sql, append([]any{c.l.Lease.Owner()}, args...)...); err != nil {
		return fmt.Errorf("give bots back: %w", err)
	}
	return nil
}

// releaseTimeout is short because the shutdown waits for it. Bots that are not released are
// taken over when the lease ends.
const releaseTimeout = 3 * time.Second

// errYield ends listening to a bot whose updates another client takes.
var errYield = errors.New("somebody else takes the bot's updates")

func (c *claims) listen(ctx context.Context, b bot) {
	ctx, cancel := context.WithCancel(ctx)
	a := &claim{bot: b, cancel: cancel, done: make(chan struct{})}
	c.active[b.ID] = a
	c.pollers.Go(func() {
		defer c.l.Wake() // to start the next round
		defer close(a.done)
		defer cancel()
		c.l.Metrics.listening(1)
		defer c.l.Metrics.listening(-1)
		log := c.l.Log.With(zap.String("bot", b.name))
		if a.err = c.l.listen(ctx, b, log); a.err != nil {
			log.Warn("not listening to a bot for a while", zap.Duration("for", c.l.cfg.Yield), zap.Error(a.err))
		}
	})
}
