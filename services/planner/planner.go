// Package planner decides who speaks next, where and when, and writes the turns
// down. It looks at the journal, the roster and what people say, never at the
// generator or the sender, so that nothing which happens there delays a turn.
//
// Any number of planners may run on one database: each due chat is taken by one
// of them, and a planner that dies in between leaves the chat's clock as it was.
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

// Settings gives the settings as they are now.
type Settings interface {
	Current() *settings.Values
}

// Deps is what a planner works with.
type Deps struct {
	Pool *pgxpool.Pool
	// Rows are connections for statements that name rows by keys; Pool if nil. See
	// store.Config.ByKey.
	Rows *pgxpool.Pool
	Bus  *bus.Bus // nil for one that can't be reached, and without a lease
	// Lease shows that this process lives, which whoever starts it runs beside it; nil
	// for a planner that answers nobody.
	Lease    *lease.Lease
	Settings Settings
	// Roster is what the bots think. It is read while a transaction of the pool is
	// open, so it needs connections of its own. Nil reads it by the pool, which then
	// needs two for each batch that is planned at a time.
	Roster *rostercache.Roster
	// Now is the time of PostgreSQL's clock, by which times in rows are judged; nil for
	// this process'.
	Now     func() time.Time
	Tracer  trace.Tracer
	Stages  *stage.Metrics // nil for none
	Metrics *Metrics
	Log     *zap.Logger
}

// Planner plans turns. Run it once.
type Planner struct {
	Deps
	cfg     Config
	journal *journal.Journal
	wake    chan struct{}
	outages *outage.Log
	// behind tells that more chats are due than the last batch took, idle that none was
	// due for long, as far as is known.
	behind, idle bool
	unwritten    maxUnwritten
	memory       memory
	// open tells that there may be turns whose time will be over.
	open atomic.Bool
	// asleep counts chats without a bot that is awake, until they are told of.
	asleep atomic.Int64
}

// New makes a planner.
func New(cfg Config, deps Deps) *Planner {
	if deps.Roster == nil {
		deps.Roster = rostercache.New(deps.Pool, nil)
	}
	deps.Rows, deps.Metrics = cmp.Or(deps.Rows, deps.Pool), cmp.Or(deps.Metrics, NewMetrics(nil))
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Planner{
		Deps: deps, cfg: cfg, journal: journal.New(deps.Rows), wake: make(chan struct{}, 1), memory: memory{of: map[int64]*known{}},
		outages: outage.New(deps.Log, "nothing can be planned: the database fails", "turns are planned again"),
	}
}

// Run plans, and answers people, until the context ends. A batch in work is finished.
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

// ring tells the stages that turns which are committed have something for them to do.
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

// dbPause is how long the planner waits after the database failed.
const dbPause = time.Second

// plan plans batch after batch, and in between sleeps until the next chat is
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
			p.behind = true // many chats may have become due
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// maxBatches limits how many batches are planned at a time while more chats are due than
// one takes: the database works at one, while another is decided.
const maxBatches = 2

// step plans what is due, a batch or some, and tells how long to sleep after it.
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
	// That all are asleep, which happens once a day, is what people wonder about.
	if n := p.asleep.Swap(0); n > 0 {
		p.Log.Info("chats are quiet until a bot of their cast is awake", zap.Int64("chats", n))
	}
	return max(wait, soonest)
}

// batch plans the chats that are due, as many as one batch takes, and tells how long none
// is due; 0 if more are.
func (p *Planner) batch(ctx context.Context) (wait time.Duration, err error) {
	// A stop lets a batch in work be finished.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	began := time.Now()
	var done plan
	if p.behind {
		// Others take other chats meanwhile.
		err = pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error {
			ids, err := store.Collect(ctx, tx, "lock due chats", pgx.RowTo[int64], lockDue, p.cfg.Batch)
			if err == nil && len(ids) > 0 {
				done, wait, err = p.planDue(ctx, tx, lookAtLocked, ids, p.memory.about(p.Now(), ids))
			}
			if len(ids) < p.cfg.Batch {
				wait = soonest // what others have locked may be due again
			}
			return err
		})
	} else {
		// Another planner may plan the same chats: one of them writes it down.
		done, wait, err = p.planDue(ctx, p.Pool, claimDue, p.cfg.Batch, p.memory.due(p.Now(), p.cfg.Batch))
	}
	if err != nil {
		return dbPause, fmt.Errorf("plan a batch: %w", err)
	}
	p.ring(done.planned)
	p.asleep.Add(int64(done.asleep))
	p.Metrics.planned(done, time.Since(began))
	return wait, nil
}

// planDue plans the chats that are due, as a statement made of situation finds them.
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
	p.memory.keep(before, chats, &done)
	p.open.Store(chats[0].Open)
	switch {
	case len(chats) == p.cfg.Batch:
		return done, 0, nil
	case len(done.still) > 0:
		return done, soonest, nil
	}
	wait = p.cfg.Idle
	if next := chats[0].Next; next != nil {
		wait = min(wait, time.Duration(*next*float64(time.Second)))
	}
	for _, next := range done.next {
		wait = min(wait, next.Sub(due[0].Now))
	}
	return done, max(wait, soonest), nil
}

const nextDue = `-- look for the next
SELECT extract(epoch FROM (SELECT min(next_turn_at) FROM chat_clock) - clock_timestamp())::float8, ` + open + `
`

// soonest is how long chats are gathered for that come due: a batch of few costs nearly
// as much as one of many, and nobody notices so short a wait before a turn. It keeps two
// planners that race for the last due chat from spinning, too.
const soonest = 100 * time.Millisecond

// untilDue returns how long no chat is due.
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
	return max(time.Duration(*seconds*float64(time.Second)), soonest)
}

// maxExpired bounds one look at what has expired.
const maxExpired = 500

// sweep closes turns whose time is over and that nobody handles, and then takes what ended
// without being said out of what limits count. Where no turn was open lately, it makes no
// statement.
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
		if open || p.open.Load() { // what was open at the last look may have ended since
			p.uncount(ctx)
		}
	}
}

// uncount takes what ended without being said out of what limits count.
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
