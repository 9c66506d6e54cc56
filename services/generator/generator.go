// Package generator writes what the planner's turns say.
package generator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/news"
	"github.com/chorus-cast/chorus/services/internal/relay"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// dbTimeout bounds each look into the database.
const dbTimeout = 10 * time.Second

// Deps is what a generator works with.
type Deps struct {
	Pool  *pgxpool.Pool
	Bus   *bus.Bus
	Texts Texts
	// Embeddings tell what texts mean; nil to compare their letters only.
	Embeddings Embeddings
	// Roster is who plays where; nil to read it from the pool each time.
	Roster *rostercache.Roster
	// Now is the time of PostgreSQL's clock, by which times in rows are judged; nil for
	// this process'.
	Now     func() time.Time
	Metrics *Metrics
	Log     *zap.Logger
}

// Texts writes texts; a chain of providers does.
type Texts interface {
	// Generate waits until a provider writes, or the context ends.
	Generate(ctx context.Context, r llm.Request, about usage.About) (llm.Response, error)
	// GenerateInBackground does not wait, and leaves budget to the others.
	GenerateInBackground(ctx context.Context, r llm.Request, about usage.About) (llm.Response, error)
	// Model tells whether anything but texts of scenes can be asked for.
	Model() bool
}

// Embeddings tells what texts mean; a chain of a provider of embeddings does.
type Embeddings interface {
	GenerateInBackground(ctx context.Context, r llm.Request, about usage.About) (llm.Response, error)
}

// Generator makes deliveries of turns. Run it once.
type Generator struct {
	Deps
	cfg      Config
	journal  *journal.Journal
	prompts  *prompt.Renderer
	repeats  *repeats
	meanings *meanings
	news     *news.News
	newsless *outage.Log // of the news
	used     used
	messages *relay.Relay
	receipts *relay.Relay
	relays   relay.Group
	turns    *bus.Consumer[*chorusv1.Turn]
}

// New makes a generator.
func New(cfg Config, deps Deps, busMetrics *bus.Metrics) (*Generator, error) {
	prompts, err := prompt.New(prompt.Config{Dir: cfg.Prompts, History: cfg.History, Tokens: cfg.PromptTokens})
	if err != nil {
		return nil, fmt.Errorf("generator.prompts: %w", err)
	}
	if deps.Roster == nil {
		deps.Roster = rostercache.New(deps.Pool, nil)
	}
	repeats, err := newRepeats(deps.Pool, cfg.Similarity)
	if err != nil {
		return nil, err
	}
	meanings, err := newMeanings(deps.Embeddings, cfg.Likeness)
	if err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	j := journal.New(deps.Pool).Timed(deps.Now)
	g := &Generator{
		Deps: deps, cfg: cfg, journal: j, prompts: prompts,
		repeats: repeats, meanings: meanings,
		news:     news.New(cfg.News, deps.Pool, deps.Now, deps.Log),
		newsless: outage.New(deps.Log, "texts go without news", "texts get news again"),
		messages: relay.New(j.Deliveries(chorusv1.Action_ACTION_SEND_MESSAGE), deps.Bus, deps.Log),
		receipts: relay.New(j.Receipts(), deps.Bus, deps.Log),
	}
	g.relays = relay.Group{g.messages, g.receipts, relay.New(j.Letters(), deps.Bus, deps.Log)}
	g.turns = bus.NewConsumer(deps.Bus, bus.Generator(), j, busMetrics, g.generate)
	return g, nil
}

// Run writes until the context ends. Texts that are being written then are given
// up, and their turns handed back.
func (g *Generator) Run(ctx context.Context) error {
	return g.relays.Around(ctx, func(ctx context.Context) error {
		background, stop := context.WithCancel(ctx)
		var all sync.WaitGroup
		defer all.Wait()
		defer stop()
		all.Go(func() { g.learn(background) })
		all.Go(func() { g.news.Run(background) })
		all.Go(func() { g.used.run(background, g.Pool, g.Log) })
		return g.turns.Run(ctx)
	})
}

// Replicas is how many generators share the turns, as far as this one knows; at
// least 1.
func (g *Generator) Replicas() int { return g.turns.Members() }

// Hurry makes the generator look at what the bus may have lost.
func (g *Generator) Hurry() { g.relays.Hurry() }

// generate writes a turn's text and its delivery.
func (g *Generator) generate(ctx context.Context, t *chorusv1.Turn) error {
	if g.late(t) {
		return g.expire(ctx, t, "its time was over before its text was written")
	}
	if bus.IsRepeated(ctx) { // else it is found out when the delivery is written down
		if open, err := g.open(ctx, t); err != nil || !open {
			return err
		}
	}
	s, err := g.load(ctx, t)
	if errors.Is(err, errNoPart) {
		return g.end(ctx, t, chorusv1.Outcome_OUTCOME_REJECTED, err.Error())
	}
	if err != nil {
		return err
	}
	if t.GetUseNews() {
		if s.News, err = g.news.Deal(ctx, t.GetTopic()); ctx.Err() == nil {
			g.newsless.Note(err)
		}
	}
	text, err := g.write(ctx, t, s)
	switch {
	case errors.Is(err, errLate):
		return g.expire(ctx, t, err.Error())
	case errors.Is(err, errObjected), errors.Is(err, chain.ErrRefused):
		return g.end(ctx, t, chorusv1.Outcome_OUTCOME_REJECTED, err.Error())
	case err != nil:
		return err
	case g.late(t):
		return g.expire(ctx, t, "its time was over when its text was written")
	}
	if err := g.deliver(ctx, t, s, text); err != nil {
		return err
	}
	g.used.add(s.memories)
	return nil
}

// open tells whether a turn has neither a delivery nor ended. The error is
// permanent if there is no such turn.
func (g *Generator) open(ctx context.Context, t *chorusv1.Turn) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	progress, err := g.journal.Progress(ctx, t.GetId())
	if err != nil {
		return false, err
	}
	if progress == journal.Unwritten {
		return false, fail.AsPermanent(errors.New("the journal has no such turn"))
	}
	return progress == journal.Open, nil
}

// late tells whether a turn's time is over, by the clock that it was made by.
func (g *Generator) late(t *chorusv1.Turn) bool { return g.left(t) <= 0 }

func (g *Generator) left(t *chorusv1.Turn) time.Duration {
	return t.GetExpiresAt().AsTime().Sub(g.Now())
}

// deliver writes the delivery down, and then publishes it. If the process dies
// in between, the relay publishes it.
func (g *Generator) deliver(ctx context.Context, t *chorusv1.Turn, s *scene, text string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	entry, made, err := g.journal.Deliver(ctx, &chorusv1.Delivery{
		Id: t.GetId(), BotId: t.GetBotId(), Action: chorusv1.Action_ACTION_SEND_MESSAGE, Text: text,
		TargetMessage: t.GetTargetMessage(), PlannedAt: t.GetPlannedAt(), ExpiresAt: t.GetExpiresAt(),
		CreatedAt: timestamppb.New(g.Now()), Typing: durationpb.New(typing(text, s.wpm, g.cfg.TypingMost)),
	}, traceParent(ctx))
	if err != nil {
		return err
	}
	if !made {
		_, err := g.open(ctx, t)
		return err
	}
	g.messages.Offer(entry)
	return nil
}

// typingLeast keeps a short text from coming as a surprise.
const typingLeast = 800 * time.Millisecond

// typing is how long a bot of this speed is seen typing a text: five characters
// a word, as typists count.
func typing(text string, wpm float64, most time.Duration) time.Duration {
	minutes := float64(len([]rune(text))) / 5 / max(wpm, 1)
	return min(max(time.Duration(minutes*float64(time.Minute)), typingLeast), most)
}

func (g *Generator) expire(ctx context.Context, t *chorusv1.Turn, reason string) error {
	return g.end(ctx, t, chorusv1.Outcome_OUTCOME_EXPIRED, reason)
}

// end closes a turn that gets no delivery.
func (g *Generator) end(ctx context.Context, t *chorusv1.Turn, outcome chorusv1.Outcome, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	receipt := journal.ExpiredReceipt(t, reason)
	receipt.Outcome = outcome
	entry, err := g.journal.CloseTurn(ctx, receipt)
	if errors.Is(err, journal.ErrFenced) {
		_, err := g.open(ctx, t)
		return err
	}
	if err != nil {
		return err
	}
	g.Metrics.closed(outcome)
	g.receipts.Offer(entry)
	return nil
}

// traceParent is the W3C trace context of what is being done.
func traceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}
