// Package planner decides who speaks next, where and when, and writes the turns
// down. It looks at the journal, the roster and what people say, never at the
// generator or the sender, so that nothing which happens there delays a turn.
//
// Any number of planners may run on one database: each due chat is taken by one
// of them, and a planner that dies in between leaves the chat's clock as it was.
package planner

import (
	"context"
	"errors"
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
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/relay"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// Settings gives the settings as they are now.
type Settings interface {
	Current() *settings.Values
}

// Listen hands over what is heard in the chats until the context ends.
type Listen func(ctx context.Context, hear bus.Handler[*chorusv1.Update]) error

// Deps is what a planner works with.
type Deps struct {
	Pool     *pgxpool.Pool
	Bus      relay.Publisher
	Listen   Listen // nil for a planner that answers nobody at once
	Settings Settings
	// Roster is what the bots think. It is read while a transaction of the pool is
	// open, so it needs connections of its own. Nil reads it by the pool, which then
	// needs two for each batch that is planned at a time.
	Roster *rostercache.Roster
	// Now is the time of PostgreSQL's clock, by which times in rows are judged; nil for
	// this process'.
	Now     func() time.Time
	Tracer  trace.Tracer
	Metrics *Metrics
	Log     *zap.Logger
}

// Planner plans turns. Run it once.
type Planner struct {
	Deps
	cfg       Config
	journal   *journal.Journal
	turns     *relay.Relay
	reactions *relay.Relay
	receipts  *relay.Relay
	relays    relay.Group
	wake      chan struct{}
	outages   *outage.Log
	// behind tells that more chats are due than the last batch took.
	behind bool
	// asleep counts chats without a bot that is awake, until they are told of.
	asleep atomic.Int64
}

// New makes a planner.
func New(cfg Config, deps Deps) *Planner {
	if deps.Roster == nil {
		deps.Roster = rostercache.New(deps.Pool, nil)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	j := journal.New(deps.Pool).Timed(deps.Now)
	p := &Planner{
		Deps: deps, cfg: cfg, journal: j, wake: make(chan struct{}, 1),
		turns:     relay.New(j.Turns(), deps.Bus, deps.Log),
		reactions: relay.New(j.Deliveries(chorusv1.Action_ACTION_SET_REACTION), deps.Bus, deps.Log),
		receipts:  relay.New(j.Receipts(), deps.Bus, deps.Log),
		outages:   outage.New(deps.Log, "nothing can be planned: the database fails", "turns are planned again"),
	}
	p.relays = relay.Group{p.turns, p.reactions, p.receipts, relay.New(j.Letters(), deps.Bus, deps.Log)}
	return p
}

// Hurry makes the planner look at what the bus may have lost.
func (p *Planner) Hurry() { p.relays.Hurry() }

// Run plans until the context ends. A batch in hand is finished, and what was
// planned is published if the bus is there.
func (p *Planner) Run(ctx context.Context) error {
	return p.relays.Around(ctx, func(ctx context.Context) error {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		if err := p.keepPace(ctx); err != nil && ctx.Err() == nil {
			p.Log.Warn("chats that wait for longer than planner.pace go on waiting", zap.Error(err))
		}
		var loops sync.WaitGroup
		loops.Go(func() { p.plan(ctx) })
		loops.Go(func() { p.sweep(ctx) })
		var err error
		if p.Listen != nil {
			if err = p.Listen(ctx, p.Answer); err != nil {
				stop()
			}
		}
		loops.Wait()
		return err
	})
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
			}
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// abreast is how many batches are planned side by side while more chats are due
// than one takes: the database works at one, while another is decided.
const abreast = 2

// step plans what is due, a batch or some, and tells how long to sleep after it.
func (p *Planner) step(ctx context.Context) time.Duration {
	batches := 1
	if p.behind {
		batches = abreast
	}
	var more atomic.Bool
	var side errgroup.Group
	for range batches {
		side.Go(func() error {
			full, err := p.batch(ctx)
			if full {
				more.Store(true)
			}
			return err
		})
	}
	err := side.Wait()
	p.behind = more.Load()
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
	return p.untilDue(ctx)
}

// dbTimeout bounds a batch.
const dbTimeout = 10 * time.Second

// batch plans the chats that are due, as many as one batch takes. More tells
// that there is more to plan at once.
func (p *Planner) batch(ctx context.Context) (more bool, err error) {
	// A stop lets a batch in hand be finished.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	began := time.Now()
	var done plan
	err = pgx.BeginFunc(ctx, p.Pool, func(tx pgx.Tx) error {
		due, err := claim(ctx, tx, p.cfg.Batch)
		if err != nil || len(due) == 0 {
			return err
		}
		more = len(due) == p.cfg.Batch
		values := p.Settings.Current()
		if err := load(ctx, tx, p.Roster, due, values); err != nil {
			return err
		}
		done = p.decide(ctx, due)
		if err := done.tally.confirm(ctx, tx, values); err != nil {
			return err
		}
		if done.turns, done.reactions, err = p.journal.Plan(ctx, tx, done.planned); err != nil {
			return err
		}
		return done.advance(ctx, tx)
	})
	if errors.Is(err, errOvertaken) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("plan a batch: %w", err)
	}
	p.turns.Offer(done.turns...)
	p.reactions.Offer(done.reactions...)
	p.asleep.Add(int64(done.asleep))
	p.Metrics.planned(done, time.Since(began))
	return more, nil
}

const nextDue = `SELECT extract(epoch FROM min(next_turn_at) - clock_timestamp())::float8 FROM chat_clock`

// soonest keeps two planners that race for the last due chat from spinning.
const soonest = 2 * time.Millisecond

// untilDue is how long no chat is due.
func (p *Planner) untilDue(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	var seconds *float64
	if err := p.Pool.QueryRow(ctx, nextDue).Scan(&seconds); err != nil {
		return dbPause
	}
	if seconds == nil || *seconds > p.cfg.Idle.Seconds() {
		return p.cfg.Idle
	}
	return max(time.Duration(*seconds*float64(time.Second)), soonest)
}

// maxExpired bounds one look at what has expired.
const maxExpired = 500

// sweep closes turns whose time is over and that nobody handles.
func (p *Planner) sweep(ctx context.Context) {
	tick := time.NewTicker(p.cfg.Sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for ctx.Err() == nil {
			looking, cancel := context.WithTimeout(ctx, dbTimeout)
			entries, err := p.journal.Expire(looking, p.cfg.Grace, maxExpired)
			cancel()
			p.receipts.Offer(entries...)
			p.Metrics.expired(len(entries))
			if err != nil && ctx.Err() == nil {
				p.outages.Note(err)
			}
			if err != nil || len(entries) < maxExpired {
				break
			}
		}
	}
}
