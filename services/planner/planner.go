// Package planner decides which bot speaks next, in which chat and when, and writes the
// turns to the journal. Decisions depend on the journal, the roster and people's messages,
// never on the generator or the sender. So their failures don't delay a turn.
//
// Any number of planners can share a database. Each due chat is planned by one of them, and
// a planner that dies before its commit leaves the chat's clock unchanged.
package planner

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

// Settings returns the current settings.
type Settings interface {
	Current() *settings.Values
}

// Deps holds the dependencies of a planner.
type Deps struct {
	Pool *pgxpool.Pool
	// Rows is a pool for statements that address rows by keys; Pool if nil. See
	// store.Config.ByKey.
	Rows *pgxpool.Pool
	Bus  *bus.Bus // nil for a bus that can't be reached, and without a lease
	// Lease proves that this process lives. The caller of New runs it beside the planner.
	// Without a lease the planner answers no prompts.
	Lease    *lease.Lease
	Settings Settings
	// Roster caches bots, personas and stances. It is read during a transaction of Pool, so
	// it needs connections of its own. Nil reads with Pool, which then needs two
	// connections for each concurrent batch.
	Roster *rostercache.Roster
	// Now returns PostgreSQL's time, because times in rows are PostgreSQL's; nil uses this
	// process' clock.
	Now     func() time.Time
	Tracer  trace.Tracer
	Stages  *stage.Metrics // nil for none
	Metrics *Metrics
	Log     *zap.Logger
}

// Planner plans turns. Run may be called once.
type Planner struct {
	Deps
	cfg     Config
	journal *journal.Journal
	wake    chan struct{}
	outages *outage.Log
	// behind tells that more chats are due than the last batch took. idle tells that no
	// chat is due within cfg.Idle.
	behind, idle bool
	unwritten    maxUnwritten
	cache        chatCache
	// open tells that there may be open turns, which may expire.
	open atomic.Bool
	// asleep counts chats without a bot that is awake, until the next log line.
	asleep atomic.Int64
}

// New returns a Planner.
func New(cfg Config, deps Deps) *Planner {
	if deps.Roster == nil {
		deps.Roster = rostercache.New(deps.Pool, nil)
	}
	deps.Rows, deps.Metrics = cmp.Or(deps.Rows, deps.Pool), cmp.Or(deps.Metrics, NewMetrics(nil))
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Planner{
		Deps: deps, cfg: cfg, journal: journal.New(deps.Rows), wake: make(chan struct{}, 1), cache: chatCache{of: map[int64]*cachedChat{}},
		outages: outage.New(deps.Log, "nothing can be planned: the database fails", "turns are planned again"),
	}
}

// Run plans turns and answers people until the context ends. It finishes the batch under
// way.
func (p *Planner) Run(ctx context.Context) error {
	if err := p.keepPace(ctx); err != nil && ctx.Err() == nil {
		p.Log.Warn("chats that wait for longer than planner.pace go on waiting", zap.Error(err))
	}
	var loops errgroup.Group
	loops.Go(func() error { p.plan(ctx); return nil })
	loops.Go(func() error { p.sweep(ctx); return nil })
	if p.Lease != nil {
		loops.Go(func() error { return p.prompts().Run(ctx) })
	}
	return loops.Wait()
}

// ring rings the stages of the committed turns.
func (p *Planner) ring(planned []journal.Planned) {
	if len(planned) > 0 {
		p.open.Store(true)
	}
	if p.Bus == nil {
		return
	}
	chats, event := map[bus.Queue][]int64{}, &chorusv1.Event{}
	for _, t := range planned {
		event.Turns = append(event.Turns, t.Turn.GetId())
		q := bus.OfLane(t.Lane())
		chats[q] = append(chats[q], t.Turn.GetId().GetChatId())
	}
	for q, ids := range chats {
		p.Bus.Ring(q, ids...)
	}
	p.Bus.Tell(subject.Planned, event)
}

// dbPause is the delay after a failure of the database.
const dbPause = time.Second

// plan plans batches until the context ends. In between it sleeps until the next chat is
// due.
func (p *Planner) plan(ctx context.Context) {
	for ctx.Err() == nil {
		timer := time.NewTimer(p.step(ctx))
		select {
		case <-timer.C:
		case <-p.wake:
			if err := p.endWaits(ctx); err != nil && ctx.Err() == nil {
				p.outages.Note(err)
				time.AfterFunc(dbPause, p.Wake)
			}
			p.behind = true // many chats may be due now
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// maxBatches limits the concurrent batches while more chats are due than one batch takes.
// The database works on one while the process decides another.
const maxBatches = 2

// step plans the due chats and returns the time to sleep.
func (p *Planner) step(ctx context.Context) time.Duration {
	if p.idle {
		if wait := p.untilDue(ctx, p.Pool); p.idle {
			return wait
		}
	}
	batches := 1
	if p.behind {
		batches = maxBatches
	}
	var mu sync.Mutex
	wait := p.cfg.Idle
	var side errgroup.Group
	for range batches {
		side.Go(func() error {
			until, err := p.batch(ctx)
			for until == 0 && p.behind && len(p.wake) == 0 && ctx.Err() == nil {
				until, err = p.batch(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			wait = min(wait, until)
			return err
		})
	}
	err := side.Wait()
	p.behind = err == nil && wait == 0
	if err != nil {
		p.Metrics.failed()
		if ctx.Err() == nil {
			p.outages.Note(err)
		}
		return dbPause
	}
	p.outages.Note(nil)
	if p.behind {
		return 0
	}
	// A cast falls asleep once a day. The log explains this, because people wonder about
	// silent chats.
	if n := p.asleep.Swap(0); n > 0 {
		p.Log.Info("chats are quiet until a bot of their cast is awake", zap.Int64("chats", n))
	}
	return max(wait, minWait)
}

// batch plans one batch of due chats. It returns the time until the next chat is due; 0 if
// more are due now.
func (p *Planner) batch(ctx context.Context) (wait time.Duration, err error) {
	// A batch under way is finished when the planner stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	began := time.Now()
	var done plan
	if p.behind {
		// Other planners skip the locked chats and take others.
		err = pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error {
			ids, err := store.Collect(ctx, tx, "lock due chats", pgx.RowTo[int64], lockDue, p.cfg.Batch)
			if err == nil && len(ids) > 0 {
				done, wait, err = p.planDue(ctx, tx, lookAtLocked, ids, p.cache.about(p.Now(), ids))
			}
			if len(ids) < p.cfg.Batch {
				wait = minWait // chats that others have locked may be due again
			}
			return err
		})
	} else {
		// Another planner may plan the same chats. Only one of them can write its decision.
		done, wait, err = p.planDue(ctx, p.Pool, claimDue, p.cfg.Batch, p.cache.due(p.Now(), p.cfg.Batch))
	}
	if err != nil {
		return dbPause, fmt.Errorf("plan a batch: %w", err)
	}
	p.ring(done.planned)
	p.asleep.Add(int64(done.asleep))
	p.Metrics.planned(done, time.Since(began))
	return wait, nil
}

// planDue plans the chats that a statement made of situation returns.
func (p *Planner) planDue(ctx context.Context, db store.DB, sql string, which any, before view) (done plan, wait time.Duration, err error) {
	values := p.Settings.Current()
	chats, err := look(ctx, db, sql, before, p.unwritten.of(values), which)
	if err != nil {
		return done, 0, err
	}
	if len(chats) == 0 {
		return done, p.untilDue(ctx, db), nil
	}
	due, err := inputs(ctx, p.Roster, values, chats)
	if err != nil {
		return done, 0, err
	}
	done = p.decide(ctx, due)
	if err := done.write(ctx, db, settings.GlobalMaxMessagesPerMinute.Of(values, 0, 0)); err != nil {
		return done, 0, err
	}
	p.cache.keep(before, chats, &done)
	p.open.Store(chats[0].Open)
	switch {
	case len(chats) == p.cfg.Batch:
		return done, 0, nil
	case len(done.still) > 0:
		return done, minWait, nil
	}
	wait = p.cfg.Idle
	if next := chats[0].Next; next != nil {
		wait = min(wait, time.Duration(*next*float64(time.Second)))
	}
	for _, next := range done.next {
		wait = min(wait, next.Sub(due[0].Now))
	}
	return done, max(wait, minWait), nil
}

const nextDue = `-- look for the next
SELECT extract(epoch FROM (SELECT min(next_turn_at) FROM chat_clock) - clock_timestamp())::float8, ` + open + `
`

// minWait is the time for which due chats are gathered: a batch of few costs nearly as much as
// one of many, and nobody notices so short a wait before a turn. It also keeps two planners
// that race for the last due chat from spinning.
const minWait = 100 * time.Millisecond

// untilDue returns the time until the next chat is due.
func (p *Planner) untilDue(ctx context.Context, db store.DB) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	var seconds *float64
	var open bool
	if err := db.QueryRow(ctx, nextDue).Scan(&seconds, &open); err != nil {
		return dbPause
	}
	p.open.Store(open)
	if p.idle = seconds == nil || *seconds > p.cfg.Idle.Seconds(); p.idle {
		return p.cfg.Idle
	}
	return max(time.Duration(*seconds*float64(time.Second)), minWait)
}

// maxExpired limits the turns that one statement closes.
const maxExpired = 500

// sweep closes expired turns that no stage handles, and then subtracts unsent messages from
// the counts of limits. It makes no statement unless a turn was open recently.
func (p *Planner) sweep(ctx context.Context) {
	tick := time.NewTicker(p.cfg.Sweep)
	defer tick.Stop()
	for open := true; ; open = p.open.Load() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for ctx.Err() == nil && p.open.Load() {
			looking, cancel := context.WithTimeout(ctx, store.Timeout)
			ended, err := p.journal.Expire(looking, p.cfg.Grace, maxExpired)
			cancel()
			p.Metrics.expired(len(ended))
			if p.Bus != nil {
				p.Bus.Tell(subject.Expired, &chorusv1.Event{Turns: ended})
			}
			if err != nil && ctx.Err() == nil {
				p.outages.Note(err)
			}
			if err != nil || len(ended) < maxExpired {
				break
			}
		}
		if open || p.open.Load() { // turns that were open may have ended since
			p.uncount(ctx)
		}
	}
}

// uncount subtracts messages that ended unsent from the counts of limits.
func (p *Planner) uncount(ctx context.Context) {
	for ctx.Err() == nil {
		working, cancel := context.WithTimeout(ctx, store.Timeout)
		n, err := p.journal.Uncount(working, maxExpired)
		cancel()
		if err != nil && ctx.Err() == nil {
			p.outages.Note(err)
		}
		if err != nil || n < maxExpired {
			return
		}
	}
}
