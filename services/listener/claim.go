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

	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Each bot is listened to by who holds its advisory lock in the database. The
// locks of a process hang on one connection of its own: they go when it does, be
// it by kill -9, and the process stops listening as soon as it notices. For the
// moment in which two may listen, Telegram ends one's poll, and what both hear is
// written down once.
const (
	lockBots   = `SELECT id FROM unnest($1::bigint[]) id WHERE pg_try_advisory_lock($2 + id)`
	unlockBots = `SELECT pg_advisory_unlock($2 + id) FROM unnest($1::bigint[]) id`
	// lockSpace keeps the locks apart from others. The number is arbitrary; bots'
	// ids are small.
	lockSpace int64 = 0x4368_6F72_0000_0000
)

const (
	// leaseTimeout is how long the connection may not answer before it counts as
	// lost.
	leaseTimeout = 3 * time.Second

	shortestRetry = 100 * time.Millisecond
	longestRetry  = 5 * time.Second
)

// attend listens to the bots that nobody else listens to, until the context ends.
func (l *Listener) attend(ctx context.Context) error {
	patient := retrypolicy.NewBuilder[any]().WithMaxRetries(-1).WithBackoff(shortestRetry, longestRetry).WithJitterFactor(0.2).Build()
	for ctx.Err() == nil {
		// Its error says only that the context ended.
		_ = failsafe.With(patient).WithContext(ctx).Run(func() error {
			began := time.Now()
			err := l.hold(ctx)
			if ctx.Err() != nil {
				return nil //nolint:nilerr // what the end of the context broke is no fault
			}
			l.note(ctx, err)
			if time.Since(began) > longestRetry {
				return nil // it worked for a while, so there is no reason to wait
			}
			return err
		})
	}
	return nil
}

// lease is the bots that this process listens to, and their pollers.
type lease struct {
	l       *Listener
	conn    *pgx.Conn
	ears    map[int64]*attention
	left    map[int64]time.Time // bots that are left alone until then
	pollers sync.WaitGroup
}

// attention is listening to one bot.
type attention struct {
	bot    bot
	cancel context.CancelFunc
	done   chan struct{}
	err    error // why it ended; set before done is closed
}

// hold holds leases on one connection, until that breaks or the context ends.
func (l *Listener) hold(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	session, err := store.NewSession(connecting, l.Pool, store.KeepAlive())
	if err != nil {
		return fmt.Errorf("leases: %w", err)
	}
	defer session.Close(ctx)
	if err := l.readCast(ctx); err != nil {
		return err
	}
	// The pollers end before the connection, and with it the leases, is closed.
	listening, stop := context.WithCancel(ctx)
	s := &lease{l: l, conn: session.Conn, ears: map[int64]*attention{}, left: map[int64]time.Time{}}
	defer s.pollers.Wait()
	defer stop()
	tick := time.NewTicker(l.cfg.Claim)
	defer tick.Stop()
	for {
		if err := s.round(listening); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-l.changed:
			if err := l.readCast(ctx); err != nil {
				return err
			}
		}
	}
}

// round ends what is over, and begins to listen where nobody does. Its query also
// tells whether the leases are still held.
func (s *lease) round(ctx context.Context) error {
	c := s.l.cast.Load()
	if err := s.release(ctx, s.ended(c)); err != nil {
		return err
	}
	var free []int64
	for id := range c.active {
		if s.ears[id] == nil && !time.Now().Before(s.left[id]) {
			free = append(free, id)
		}
	}
	querying, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	rows, err := s.conn.Query(querying, lockBots, free, lockSpace)
	if err != nil {
		return fmt.Errorf("take leases: %w", err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("take leases: %w", err)
	}
	for _, id := range got {
		s.listen(ctx, c.active[id])
	}
	return nil
}

// ended is the bots that are not listened to any more, and whose leases can go.
func (s *lease) ended(c *cast) []int64 {
	var over []int64
	for id, a := range s.ears {
		if now, ok := c.active[id]; !ok || !now.same(a.bot) {
			a.cancel()
		}
		select {
		case <-a.done:
			over = append(over, id)
			delete(s.ears, id)
			delete(s.left, id)
			if a.err != nil {
				s.left[id] = time.Now().Add(s.l.cfg.Yield)
			}
		default:
		}
	}
	return over
}

func (s *lease) release(ctx context.Context, bots []int64) error {
	if len(bots) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	if _, err := s.conn.Exec(ctx, unlockBots, bots, lockSpace); err != nil {
		return fmt.Errorf("give leases back: %w", err)
	}
	return nil
}

// errYield ends listening to a bot that somebody else listens to.
var errYield = errors.New("somebody else takes the bot's updates")

func (s *lease) listen(ctx context.Context, b bot) {
	ctx, cancel := context.WithCancel(ctx)
	a := &attention{bot: b, cancel: cancel, done: make(chan struct{})}
	s.ears[b.ID] = a
	s.pollers.Go(func() {
		defer close(a.done)
		defer cancel()
		s.l.Metrics.listening(1)
		defer s.l.Metrics.listening(-1)
		log := s.l.Log.With(zap.String("bot", b.name))
		if a.err = s.l.listen(ctx, b, log); a.err != nil {
			log.Warn("not listening to a bot for a while", zap.Duration("for", s.l.cfg.Yield), zap.Error(a.err))
		}
	})
}
