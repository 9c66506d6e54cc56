// Package sender makes the deliveries' calls to Telegram. Each chat has one lane for
// messages, one for reactions and one for answers to commands. A call that hangs, is
// refused or must wait delays only its own lane.
//
// The pure function next decides what to do with a delivery. All other code executes its
// steps.
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

// Deps are the dependencies of a sender.
type Deps struct {
	Pool *pgxpool.Pool
	// Rows is a pool for statements that name rows by their keys, see store.Config.ByKey;
	// Pool if nil.
	Rows     *pgxpool.Pool
	Bus      *bus.Bus
	Lease    *lease.Lease // the caller runs it
	Telegram *telegram.Client
	// Roster caches bots, chats and casts; nil to read them from Pool each time.
	Roster *rostercache.Roster
	// Open decrypts a bot's token.
	Open func(bot string, sealed []byte) (secret.String, error)
	// Limits limits the bots' calls; nil for limits within this process.
	Limits limit.Limiter
	// Now is PostgreSQL's clock, by which times in rows count; nil for this process' clock.
	Now     func() time.Time
	Tracer  trace.Tracer   // nil for no traces
	Stages  *stage.Metrics // nil for none
	Metrics *Metrics
	// Refusals counts what Telegram refuses; nil for no metrics.
	Refusals *refusal.Metrics
	Log      *zap.Logger
}

// Sender sends deliveries. Run may be called once.
type Sender struct {
	Deps

	cfg      Config
	policy   policy
	journal  *journal.Journal
	limits   *limits
	breakers *breakers
	// connection watches this sender's connection to Telegram.
	connection *connection.Monitor
	// allowedReactions caches the reactions that each chat allows.
	allowedReactions *otter.Cache[int64, *allowed]
	judge            refusal.Judge
	telegramOutages  *outage.Log // of Telegram
	// targets looks up the messages that deliveries answer, in batches.
	targets *batch.Group[message, int64]
	stages  []*stage.Stage[*journal.Unsent, journal.Sent]
	// calls is the context of calls under way. It ends a grace period after the stages'
	// context.
	calls context.Context //nolint:containedctx // it is the lifetime of the sender's calls, not of one
}

const (
	// maxAttempts limits the failures of a delivery. After so many it becomes a dead
	// letter.
	maxAttempts = 20
	// tokenCalls limits the calls of a delivery that Telegram refuses because of a valid
	// token.
	tokenCalls = 3
)

// New returns a sender.
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
		telegramOutages:  outage.New(deps.Log, "Telegram does not answer: calls are made again where that is safe", "Telegram answers again"),
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

// Run sends until the context ends. Then it stops claiming, gives calls under way cfg.Grace
// to end, stores their results, and releases the other deliveries.
func (s *Sender) Run(ctx context.Context) error {
	defer s.allowedReactions.StopAllGoroutines()
	all, running := errgroup.WithContext(ctx)
	all.Go(func() error { return s.send(running) })
	all.Go(func() error { return s.looker().Run(running) })
	return all.Wait()
}

// send runs the stages while Telegram is reachable. While it isn't, other senders take this
// one's chats over. If no sender reaches it, all wait.
func (s *Sender) send(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.sendConnected(ctx); err != nil {
			return err
		}
		s.connection.Wait(ctx)
	}
	return nil
}

// sendConnected runs the stages until Telegram is unreachable or the context ends.
func (s *Sender) sendConnected(ctx context.Context) error {
	connected, lost := context.WithCancel(ctx)
	defer lost()
	calls, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	s.calls = calls
	defer context.AfterFunc(connected, func() {
		_ = sleep(calls, s.cfg.Grace) // an error means that all calls have ended
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

// looker returns the task that checks refused bots and chats again.
func (s *Sender) looker() *refusal.Looker {
	return refusal.NewLooker(refusal.Deps{
		Pool: s.Pool, Telegram: s.Telegram, Open: s.Open, Every: s.cfg.LookEvery, Metrics: s.Refusals, Log: s.Log.Named("refusals"),
	})
}
