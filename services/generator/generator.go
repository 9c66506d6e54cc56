// Package generator writes what the planner's turns say.
package generator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/fail"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/relay"
	"github.com/chorus-cast/chorus/services/internal/telegram"
)

// dbTimeout bounds each look into the database.
const dbTimeout = 10 * time.Second

// Deps is what a generator works with.
type Deps struct {
	Pool     *pgxpool.Pool
	Bus      *bus.Bus
	Provider llm.Provider
	Metrics  *Metrics
	Log      *zap.Logger
}

// Generator turns turns into deliveries. Run it once.
type Generator struct {
	Deps
	cfg      Config
	journal  *journal.Journal
	prompts  *prompt.Renderer
	breaker  circuitbreaker.CircuitBreaker[llm.Response]
	workers  *semaphore.Weighted
	messages *relay.Relay
	receipts *relay.Relay
	letters  *relay.Relay
	turns    *bus.Consumer[*chorusv1.Turn]
}

// New makes a generator.
func New(cfg Config, deps Deps, busMetrics *bus.Metrics) (*Generator, error) {
	prompts, err := prompt.New()
	if err != nil {
		return nil, err
	}
	j := journal.New(deps.Pool)
	g := &Generator{
		Deps: deps, cfg: cfg, journal: j, prompts: prompts,
		workers:  semaphore.NewWeighted(int64(cfg.Workers)),
		messages: relay.New(j.Deliveries(chorusv1.Action_ACTION_SEND_MESSAGE), deps.Bus, deps.Log),
		receipts: relay.New(j.Receipts(), deps.Bus, deps.Log),
		letters:  relay.New(j.Letters(), deps.Bus, deps.Log),
		breaker: circuitbreaker.NewBuilder[llm.Response]().
			// What the provider says about one request is no sign of its health.
			HandleIf(func(_ llm.Response, err error) bool { return errors.Is(err, llm.ErrTransient) }).
			WithFailureThreshold(uint(cfg.BreakerFailures)).
			WithDelay(cfg.BreakerDelay).
			OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
				deps.Log.Warn("breaker of the text provider", zap.Stringer("from", e.OldState), zap.Stringer("to", e.NewState))
			}).
			Build(),
	}
	g.turns = bus.NewConsumer(deps.Bus, bus.Generator(), j, busMetrics, g.generate)
	return g, nil
}

// Run writes until the context ends. Texts that are being written then are given
// up, and their turns handed back.
func (g *Generator) Run(ctx context.Context) error {
	// The relays outlive the consumer, whose last deliveries they publish.
	publishing, published := context.WithCancel(context.WithoutCancel(ctx))
	var relays errgroup.Group
	for _, r := range []*relay.Relay{g.messages, g.receipts, g.letters} {
		relays.Go(func() error { return r.Run(publishing) })
	}
	err := g.turns.Run(ctx)
	published()
	return errors.Join(err, relays.Wait())
}

// Hurry makes the generator look at what the bus may have lost.
func (g *Generator) Hurry() {
	g.messages.Hurry()
	g.receipts.Hurry()
	g.letters.Hurry()
}

// generate writes a turn's text and its delivery.
func (g *Generator) generate(ctx context.Context, t *chorusv1.Turn) error {
	if late(t) {
		return g.expire(ctx, t, "its time was over before its text was written")
	}
	looking, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	progress, err := g.journal.Progress(looking, t.GetId())
	switch {
	case err != nil:
		return err
	case progress == journal.Unwritten:
		return fail.AsPermanent(errors.New("the journal has no such turn"))
	case progress != journal.Open:
		return nil
	}
	s, err := load(ctx, g.Pool, t, g.cfg.History)
	if errors.Is(err, errNoPersona) {
		return g.end(ctx, t, chorusv1.Outcome_OUTCOME_REJECTED, err.Error())
	}
	if err != nil {
		return err
	}
	text, err := g.write(ctx, s)
	if err != nil {
		return err
	}
	if late(t) {
		return g.expire(ctx, t, "its time was over when its text was written")
	}
	return g.deliver(ctx, t, s, mention(t.GetMention(), s.answering, text))
}

func late(t *chorusv1.Turn) bool { return !time.Now().Before(t.GetExpiresAt().AsTime()) }

// write asks the provider for the text.
func (g *Generator) write(ctx context.Context, s *scene) (string, error) {
	messages, err := g.prompts.Render(s.Scene)
	if err != nil {
		return "", fail.AsPermanent(err)
	}
	if err := g.workers.Acquire(ctx, 1); err != nil {
		return "", err
	}
	defer g.workers.Release(1)
	began := time.Now()
	r, err := failsafe.With(g.breaker).WithContext(ctx).Get(func() (llm.Response, error) {
		ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
		defer cancel()
		return g.Provider.Generate(ctx, llm.Request{
			Scene: s.Scene, Messages: messages, MaxTokens: g.cfg.MaxTokens, Temperature: g.cfg.Temperature,
		})
	})
	g.Metrics.wrote(r, err, time.Since(began))
	if err != nil {
		return "", g.classify(ctx, err)
	}
	text := strings.TrimSpace(r.Text)
	if n := telegram.TextLength(text); n == 0 || n > telegram.MaxText {
		return "", fail.AsPermanent(fmt.Errorf("the text has %d characters, Telegram takes 1 to %d", n, telegram.MaxText))
	}
	return text, nil
}

// classify sorts a provider's failure. None is permanent for the turn: another
// provider, or a corrected key, may write it until its time is over.
func (g *Generator) classify(ctx context.Context, err error) error {
	var failed *llm.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, circuitbreaker.ErrOpen):
		return fail.AsThrottled(max(min(g.breaker.RemainingDelay(), breakerLook), time.Second), err)
	case errors.As(err, &failed) && failed.RetryAfter > 0:
		return fail.AsThrottled(failed.RetryAfter, err)
	}
	return fail.AsTransient(err)
}

// breakerLook is how often a turn looks whether an open breaker has closed: its
// time may be over before the breaker's is.
const breakerLook = 10 * time.Second

// mention puts the name of whom the turn answers before or after the text.
func mention(where chorusv1.Mention, whom, text string) string {
	switch {
	case whom == "" || strings.Contains(text, whom):
		return text
	case where == chorusv1.Mention_MENTION_START:
		return whom + " " + text
	case where == chorusv1.Mention_MENTION_END:
		return text + " " + whom
	}
	return text
}

// deliver writes the delivery down, and then publishes it. If the process dies
// in between, the relay publishes it.
func (g *Generator) deliver(ctx context.Context, t *chorusv1.Turn, s *scene, text string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTimeout)
	defer cancel()
	entry, made, err := g.journal.Deliver(ctx, &chorusv1.Delivery{
		Id: t.GetId(), BotId: t.GetBotId(), Action: chorusv1.Action_ACTION_SEND_MESSAGE, Text: text,
		TargetMessage: t.GetTargetMessage(), PlannedAt: t.GetPlannedAt(), ExpiresAt: t.GetExpiresAt(),
		CreatedAt: timestamppb.Now(), Typing: durationpb.New(typing(text, s.wpm, g.cfg.TypingMost)),
	}, traceParent(ctx))
	if err != nil {
		return err
	}
	if made {
		g.messages.Offer(entry)
	}
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
		return nil
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
