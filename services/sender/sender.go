// Package sender makes the calls to Telegram. Each chat has a lane of its own
// for messages and one for reactions, so that a call that hangs, is refused or
// must wait holds back nothing but its own lane.
package sender

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/batch"
	"github.com/chorus-cast/chorus/services/internal/infra/limit"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/relay"
	"github.com/chorus-cast/chorus/services/internal/roster/refusal"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/sender/connection"
)

// dbTimeout bounds each look into the database.
const dbTimeout = 10 * time.Second

// Caller is the part of Telegram that the sender needs.
type Caller interface {
	SendMessage(ctx context.Context, token secret.String, m telegram.Message) telegram.Outcome
	SetReaction(ctx context.Context, token secret.String, r telegram.Reaction) telegram.Outcome
	SendTyping(ctx context.Context, token secret.String, chatID int64) telegram.Outcome
	Reach(ctx context.Context) error
	refusal.Asker
}

var _ Caller = (*telegram.Client)(nil)

// Deps is what a sender works with.
type Deps struct {
	Pool     *pgxpool.Pool
	Bus      *bus.Bus
	Telegram Caller
	// Roster is who plays where; nil to read it from the pool each time.
	Roster *rostercache.Roster
	// Open opens a bot's sealed token.
	Open func(bot string, sealed []byte) (secret.String, error)
	// Limits holds the bots' calls back; nil for limits of this process alone.
	Limits limit.Limiter
	// Now is the time of PostgreSQL's clock, by which times in rows are judged; nil for
	// this process'.
	Now     func() time.Time
	Metrics *Metrics
	// Refusals tells of what Telegram refuses; nil for nobody.
	Refusals *refusal.Metrics
	Log      *zap.Logger
}

// Sender sends deliveries. Run it once.
type Sender struct {
	Deps
	cfg      Config
	owner    string
	journal  *journal.Journal
	receipts *relay.Relay
	relays   relay.Group
	limits   *limits
	breakers *breakers
	// connection is of this sender to Telegram.
	connection *connection.Monitor
	// allowedReactions are those of each chat.
	allowedReactions *otter.Cache[int64, *allowed]
	judge            refusal.Judge
	// unheard is of what tells the other senders of this one, silent of Telegram.
	unheard, silent *outage.Log
	// behind are deliveries that were refused for one ahead of them, and for how long
	// each stepped aside last.
	behind *otter.Cache[string, *time.Duration]
	// targets looks up the messages answered by all deliveries that come at a time.
	targets *batch.Group[message, int64]

	messages  *bus.Consumer[*chorusv1.Delivery]
	reactions *bus.Consumer[*chorusv1.Delivery]
	// calls is the context of calls under way. It outlives Run's by the grace.
	calls context.Context //nolint:containedctx // it is the lifetime of the sender's calls, not of one
}

// New makes a sender.
func New(cfg Config, deps Deps, busMetrics *bus.Metrics) (*Sender, error) {
	if deps.Roster == nil {
		deps.Roster = rostercache.New(deps.Pool, nil)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	j := journal.New(deps.Pool).Timed(deps.Now)
	allowedReactions, err := newAllowedReactions()
	if err != nil {
		return nil, err
	}
	behind, err := otter.New(&otter.Options[string, *time.Duration]{MaximumSize: maxBehind})
	if err != nil {
		return nil, fmt.Errorf("know what is behind others: %w", err)
	}
	s := &Sender{
		Deps: deps, cfg: cfg, journal: j, owner: uuid.NewString(),
		receipts:         relay.New(j.Receipts(), deps.Bus, deps.Log),
		allowedReactions: allowedReactions,
		unheard:          outage.New(deps.Log, "the other senders don't hear of this one", "the other senders hear of this one again"),
		silent:           outage.New(deps.Log, "Telegram does not answer: calls are made again where that is safe", "Telegram answers again"),
		behind:           behind,
		breakers:         newBreakers(cfg, deps.Metrics, deps.Log),
		connection: connection.New(deps.Telegram.Reach,
			outage.New(deps.Log, "Telegram is not reached: the other senders get the chats", "Telegram is reached again: chats are taken again")),
	}
	s.judge.Pool, s.judge.Telegram = deps.Pool, deps.Telegram
	s.targets = batch.New(batch.Config{Max: 200, Calls: 1, Timeout: dbTimeout}, s.lookUpAll)
	s.relays = relay.Group{s.receipts, relay.New(j.Letters(), deps.Bus, deps.Log), relay.New(j.Parked(), deps.Bus, deps.Log)}
	s.messages = bus.NewConsumer(deps.Bus, bus.SenderMessages(), j, busMetrics, s.deliver)
	s.reactions = bus.NewConsumer(deps.Bus, bus.SenderReactions(), j, busMetrics, s.deliver)
	s.limits = newLimits(cfg, deps.Limits, s.reactions.Members)
	return s, nil
}

// Run sends until the context ends. Then it fetches no more, gives calls under
// way cfg.Grace to end, hands back the rest, and publishes the last receipts.
func (s *Sender) Run(ctx context.Context) error {
	defer s.allowedReactions.StopAllGoroutines()
	calls, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	s.calls = calls
	stopping := context.AfterFunc(ctx, func() {
		grace := time.NewTimer(s.cfg.Grace)
		defer grace.Stop()
		select {
		case <-grace.C:
			abort()
		case <-calls.Done():
		}
	})
	defer stopping()

	var seen sync.WaitGroup
	defer seen.Wait()
	living, gone := context.WithCancel(context.WithoutCancel(ctx))
	defer gone()
	seen.Go(func() { s.keepSeen(living) })

	return s.relays.Around(ctx, func(ctx context.Context) error {
		consumers, consuming := errgroup.WithContext(ctx)
		consumers.Go(func() error { return s.consume(consuming) })
		consumers.Go(func() error { return s.looker().Run(consuming) })
		return consumers.Wait()
	})
}

// consume reads deliveries while Telegram is reached. While it isn't, the other senders
// get this one's chats, and if none of them reaches it either, all wait.
func (s *Sender) consume(ctx context.Context) error {
	for first := true; ctx.Err() == nil; first = false {
		if err := s.consumeConnected(ctx); err != nil && (first || !bus.Passes(err)) {
			return err
		}
		s.connection.Wait(ctx)
	}
	return nil
}

// consumeConnected reads deliveries until Telegram isn't reached any more.
func (s *Sender) consumeConnected(ctx context.Context) error {
	connected, lost := context.WithCancel(ctx)
	defer lost()
	consumers, consuming := errgroup.WithContext(connected)
	consumers.Go(func() error { return s.messages.Run(consuming) })
	consumers.Go(func() error { return s.reactions.Run(consuming) })
	consumers.Go(func() error {
		s.connection.Watch(consuming)
		lost()
		return nil
	})
	return consumers.Wait()
}

// looker tries what Telegram refuses.
func (s *Sender) looker() *refusal.Looker {
	return refusal.NewLooker(refusal.Deps{
		Pool: s.Pool, Telegram: s.Telegram, Open: s.Open, Every: s.cfg.LookEvery, Metrics: s.Refusals, Log: s.Log.Named("refusals"),
	})
}

// Replicas is how many senders share the chats, as far as this one knows; at
// least 1.
func (s *Sender) Replicas() int { return s.messages.Members() }

// Hurry makes the sender look at what the bus may have lost.
func (s *Sender) Hurry() { s.relays.Hurry() }
