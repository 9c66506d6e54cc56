// Package sender makes the calls to Telegram. Each chat has a lane of its own for
// messages, one for reactions and one for answers to commands, so that a call that
// hangs, is refused or must wait holds back nothing but its own lane.
//
// What is done with a delivery is decided by next, which is pure. Everything else does
// what it says.
package sender

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/batch"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/sender/connection"
)

// Deps is what a sender works with.
type Deps struct {
	Pool *pgxpool.Pool
	// Rows are connections for statements that name rows by keys; Pool if nil. See
	// store.Config.ByKey.
	Rows     *pgxpool.Pool
	Bus      *bus.Bus
	Lease    *lease.Lease // which is run by whoever runs the sender
	Telegram *telegram.Client
	// Roster is who plays where; nil to read it from the pool each time.
	Roster *rostercache.Roster
	// Open opens a bot's sealed token.
	Open func(bot string, sealed []byte) (secret.String, error)
	// Limits holds the bots' calls back; nil for limits of this process alone.
	Limits limit.Limiter
	// Now is the time of PostgreSQL's clock, by which times in rows are judged; nil for
	// this process'.
	Now     func() time.Time
	Tracer  trace.Tracer   // nil for no traces
	Stages  *stage.Metrics // nil for none
	Metrics *Metrics
	// Refusals tells of what Telegram refuses; nil for nobody.
	Refusals *refusal.Metrics
	Log      *zap.Logger
}

// Sender sends deliveries. Run it once.
type Sender struct {
	Deps

	cfg      Config
	policy   policy
	journal  *journal.Journal
	limits   *limits
	breakers *breakers
	// connection is of this sender to Telegram.
	connection *connection.Monitor
	// allowedReactions are those of each chat.
	allowedReactions *otter.Cache[int64, *allowed]
	judge            refusal.Judge
	silent           *outage.Log // of Telegram
	// targets looks up the messages answered by all deliveries that come at a time.
	targets *batch.Group[message, int64]
	stages  []*stage.Stage[*journal.Unsent, journal.Sent]
	// calls is the context of calls under way. It outlives the stages' by the grace.
	calls context.Context //nolint:containedctx // it is the lifetime of the sender's calls, not of one
}

const (
	// maxAttempts is how many failures end a delivery as a dead letter.
	maxAttempts = 20
	// tokenCalls is how many calls are made for a delivery that are refused for a token
	// that is good.
	tokenCalls = 3
)

// New makes a sender.
func New(cfg Config, deps Deps) (*Sender, error) {
	if deps.Roster == nil {
		deps.Roster = rostercache.New(deps.Pool, nil)
	}
	deps.Rows, deps.Metrics = cmp.Or(deps.Rows, deps.Pool), cmp.Or(deps.Metrics, NewMetrics(nil))
	if deps.Now == nil {
		deps.Now = time.Now
	}
	deps.Telegram = deps.Telegram.With(telegram.Watch(deps.Metrics.called))
	allowedReactions, err := newAllowedReactions()
	if err != nil {
		return nil, err
	}
	s := &Sender{
		Deps: deps, cfg: cfg, journal: journal.New(deps.Rows),
		policy:           policy{onUnknown: cfg.OnUnknown, reactionCalls: cfg.ReactionAttempts, tokenCalls: tokenCalls},
		limits:           newLimits(cfg, deps.Limits, deps.Lease.Replicas),
		allowedReactions: allowedReactions,
		silent:           outage.New(deps.Log, "Telegram does not answer: calls are made again where that is safe", "Telegram answers again"),
		breakers:         newBreakers(cfg, deps.Metrics, deps.Log),
		connection: connection.New(deps.Telegram.Reach,
			outage.New(deps.Log, "Telegram is not reached: the other senders get the chats", "Telegram is reached again: chats are taken again")),
	}
	s.judge.Pool, s.judge.Telegram = deps.Pool, deps.Telegram
	s.targets = batch.New(batch.Config{Max: 200, Calls: 1, Timeout: store.Timeout}, s.lookUpAll)
	for _, lane := range journal.Lanes() {
		s.stages = append(s.stages, s.stage(lane, bus.OfLane(lane)))
	}
	return s, nil
}

// Run sends until the context ends. Then it claims no more, gives calls under way
// cfg.Grace to end, writes down what came of them, and gives the rest back.
func (s *Sender) Run(ctx context.Context) error {
	defer s.allowedReactions.StopAllGoroutines()
	all, running := errgroup.WithContext(ctx)
	all.Go(func() error { return s.send(running) })
	all.Go(func() error { return s.looker().Run(running) })
	return all.Wait()
}

// send works while Telegram is reached. While it isn't, the other senders get this one's
// chats, and if none of them reaches it either, all wait.
func (s *Sender) send(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.sendConnected(ctx); err != nil {
			return err
		}
		s.connection.Wait(ctx)
	}
	return nil
}

// sendConnected works until Telegram isn't reached any more, or the context ends.
func (s *Sender) sendConnected(ctx context.Context) error {
	connected, lost := context.WithCancel(ctx)
	defer lost()
	calls, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	s.calls = calls
	defer context.AfterFunc(connected, func() {
		_ = sleep(calls, s.cfg.Grace) // it has ended before, then
		abort()
	})()
	all, working := errgroup.WithContext(connected)
	for _, st := range s.stages {
		all.Go(func() error { return st.Run(working) })
	}
	all.Go(func() error {
		s.connection.Watch(working)
		lost()
		return nil
	})
	return all.Wait()
}

// looker tries what Telegram refuses.
func (s *Sender) looker() *refusal.Looker {
	return refusal.NewLooker(refusal.Deps{
		Pool: s.Pool, Telegram: s.Telegram, Open: s.Open, Every: s.cfg.LookEvery, Metrics: s.Refusals, Log: s.Log.Named("refusals"),
	})
}
