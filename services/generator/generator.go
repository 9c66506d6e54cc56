// Package generator writes the texts of planned turns. It claims a turn from the journal, builds a
// prompt from the cast and the chat's history, asks a provider for a draft, checks the draft, and
// commits the deliveries that the sender sends.
package generator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/generator/prompt"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/batch"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/news"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/stage"
)

const (
	// claimLease limits the work on a turn. It is longer than a text usually takes.
	claimLease = 3 * time.Minute
	// maxAttempts is the number of failures after which a turn becomes a dead letter. A turn
	// usually expires before that.
	maxAttempts = 20
	// maxWait limits how long a failed turn waits in memory before it is tried again.
	maxWait = 2 * time.Second
	// grace is the time for texts in work to end when the process stops; then they are given up.
	grace = 5 * time.Second
)

// Deps holds the dependencies of a Generator.
type Deps struct {
	Pool *pgxpool.Pool
	// Rows is a pool for statements that find rows by their keys; nil means Pool. See
	// store.Config.ByKey.
	Rows *pgxpool.Pool
	Bus  *bus.Bus
	// Lease shows other processes that this one lives. The caller runs it.
	Lease *lease.Lease
	Texts Texts
	// Embeddings compares the meanings of texts; nil compares their letters only.
	Embeddings llm.Provider
	// Roster holds the cast of each chat; nil reads it from Pool each time.
	Roster *rostercache.Roster
	// Settings decides which texts wait for approval; nil means none.
	Settings Settings
	// Now returns the time by PostgreSQL's clock, which the times in rows are compared with; nil
	// means the process' own clock.
	Now     func() time.Time
	Tracer  trace.Tracer   // nil records no traces
	Stages  *stage.Metrics // nil records none
	Metrics *Metrics
	Log     *zap.Logger
}

// Settings returns the current settings.
type Settings interface {
	Current() *settings.Values
}

// Texts generates texts. A chain of providers implements it.
type Texts interface {
	llm.Provider

	// Model reports whether it can answer requests other than the text of a scene.
	Model() bool
}

// Generator writes the deliveries of turns. Run must be called once only.
type Generator struct {
	Deps
	cfg        Config
	prompts    *prompt.Renderer
	repeats    *repeats
	past       *batch.Group[question, past]
	meanings   *meanings
	news       *news.News
	newsOutage *outage.Log // logs when news can't be read, and when it can again
	used       used
	turns      *stage.Stage[*journal.Unwritten, journal.Written]
}

// historyBatches configures how the past of many turns is read by one statement. Two statements may
// run at a time, so that a single turn need not wait for another one's: this saves half a
// millisecond at 200 turns a second.
func historyBatches() batch.Config { return batch.Config{Max: 100, Calls: 2, Timeout: store.Timeout} }

// New returns a generator. It reads the templates of the prompt.
func New(cfg Config, deps Deps) (*Generator, error) {
	prompts, err := prompt.New(prompt.Config{Dir: cfg.Prompts, History: cfg.History, Tokens: cfg.PromptTokens})
	if err != nil {
		return nil, fmt.Errorf("generator.prompts: %w", err)
	}
	if deps.Roster == nil {
		deps.Roster = rostercache.New(deps.Pool, nil)
	}
	meanings, err := newMeanings(deps.Embeddings, cfg.Likeness)
	if err != nil {
		return nil, err
	}
	deps.Rows, deps.Metrics = cmp.Or(deps.Rows, deps.Pool), cmp.Or(deps.Metrics, NewMetrics(nil))
	if deps.Now == nil {
		deps.Now = time.Now
	}
	g := &Generator{
		Deps: deps, cfg: cfg, prompts: prompts,
		meanings: meanings, used: used{wake: make(chan struct{}, 1)},
		news:       news.New(cfg.News, deps.Pool, deps.Now, deps.Log),
		newsOutage: outage.New(deps.Log, "texts go without news", "texts get news again"),
	}
	g.remember(cacheLifetime)
	g.turns = g.stage(g.ringing(g.texts()), g.generate)
	return g, nil
}

// remember sets up the reader of the past, which caches what it reads for keep.
func (g *Generator) remember(keep time.Duration) {
	l := &historyReader{pool: g.Pool, max: max(g.shown(), chatWindow), keep: keep}
	g.past = batch.New(historyBatches(), l.of)
	g.repeats = &repeats{similarity: g.cfg.Similarity, past: g.past, utterance: l.utterance}
}

func (g *Generator) texts() turnRows {
	return journal.New(g.Rows).Texts(journal.Claims{Owner: g.Lease.Owner(), Lease: claimLease})
}

func (g *Generator) ringing(turns turnRows) turnRows { return rows{turns, g.Bus, g.Metrics} }

// stage returns the stage that claims turns and has work write them.
func (g *Generator) stage(turns turnRows, work stage.Work[*journal.Unwritten, journal.Written]) *stage.Stage[*journal.Unwritten, journal.Written] {
	return stage.New(
		stage.Config{Name: "generator", MaxInFlight: g.cfg.MaxInFlight, MaxAttempts: maxAttempts, MaxWait: maxWait, Lease: claimLease, Grace: grace},
		turns,
		stage.Deps{
			Rings: g.Bus.Rings(bus.Texts()), Holds: g.Lease.Held, Now: g.Now, Tracer: g.Tracer, Metrics: g.Stages, Log: g.Log,
			Ended: func(ended []stage.Task) {
				g.Bus.Tell(subject.Written, &chorusv1.Event{Turns: journal.TurnsOf(ended)})
			},
		},
		work)
}

// Run writes texts until the context ends. Texts in work are then given up, and their turns handed
// back.
func (g *Generator) Run(ctx context.Context) error {
	background, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { g.learn(background) })
	all.Go(func() { g.news.Run(background) })
	all.Go(func() { g.used.run(background, g.Pool, g.Log) })
	return g.turns.Run(ctx)
}

// generate returns a turn's deliveries, or the outcome of a turn without a text.
func (g *Generator) generate(ctx context.Context, u *journal.Unwritten) (journal.Written, error) {
	t := u.Turn
	if t.GetBotId() == 0 {
		return journal.Written{}, fail.AsPermanent(errors.New("its row can't be read"))
	}
	if g.late(t) {
		return expired(errLate.Error()), nil
	}
	s, err := g.load(ctx, t)
	if errors.Is(err, errNoPart) {
		return rejected(err), nil
	}
	if err != nil {
		return journal.Written{}, err
	}
	if t.GetUseNews() {
		if s.News, err = g.news.Deal(ctx, t.GetTopic()); ctx.Err() == nil {
			g.newsOutage.Note(err)
		}
	}
	text, err := g.write(ctx, t, s)
	w, err := g.written(ctx, t, s, text, err)
	w.Drafts = g.kept(u, s)
	return w, err
}

// written turns a text, or the error that there is none, into the turn's result.
func (g *Generator) written(ctx context.Context, t *chorusv1.Turn, s *scene, text string, err error) (journal.Written, error) {
	switch {
	case errors.Is(err, errLate):
		return expired(err.Error()), nil
	case errors.Is(err, errPassed):
		return journal.Written{Outcome: chorusv1.Outcome_OUTCOME_PASSED, Reason: errPassed.Error()}, nil
	case errors.Is(err, errObjected), errors.Is(err, chain.ErrRefused):
		return rejected(err), nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return journal.Written{}, stage.Later(time.Time{}) // the claim has ended, the turn hasn't expired
	case err != nil:
		return journal.Written{}, err
	case g.late(t):
		return expired("its time was over when its text was written"), nil
	}
	g.used.add(s.memories)
	w := journal.Written{Deliveries: g.deliveries(t, s, text), TraceParent: traceParent(ctx)}
	if wait := g.approval(t, s); wait > 0 {
		w.Held = g.Now().Add(wait)
		for _, d := range w.Deliveries {
			d.ExpiresAt = timestamppb.New(w.Held)
		}
	}
	return w, nil
}

// kept returns the drafts and the prompt to store with a turn, as the chat's settings ask.
func (g *Generator) kept(u *journal.Unwritten, s *scene) *journal.Drafts {
	if g.Settings == nil || len(s.prompt) == 0 && len(s.drafts) == 0 {
		return nil
	}
	objected := func(d journal.Draft) bool { return d.Rule != "" }
	switch settings.KeepDrafts.Of(g.Settings.Current(), u.Chat(), 0) {
	case "all":
		kept := &journal.Drafts{Drafts: s.drafts}
		for _, m := range s.prompt {
			kept.Prompt = append(kept.Prompt, journal.Asked{Role: m.Role, Text: m.Content})
		}
		return kept
	case "objected":
		if slices.ContainsFunc(s.drafts, objected) || u.Attempts() > 0 && len(s.drafts) > 0 {
			return &journal.Drafts{Drafts: s.drafts}
		}
	}
	return nil
}

// approval returns how long a turn's text waits for a person's approval; 0 means not at all. A text
// that a person had rewritten always waits.
func (g *Generator) approval(t *chorusv1.Turn, s *scene) time.Duration {
	if g.Settings == nil || s.honest || t.GetKind() == chorusv1.TurnKind_TURN_KIND_COMMAND {
		return 0
	}
	values, chat := g.Settings.Current(), t.GetId().GetChatId()
	mode := settings.Approval.Of(values, chat, 0)
	sampled := mode == "sample" && t.GetSeed()%100 < uint64(settings.ApprovalSamplePercent.Of(values, chat, 0)) //nolint:gosec // 0 to 100
	if mode == "approve" || sampled || t.GetNote() != "" {
		return settings.ApprovalTTL.Of(values, chat, 0)
	}
	return 0
}

// late reports whether a turn has expired, by the clock that set its times.
func (g *Generator) late(t *chorusv1.Turn) bool { return g.left(t) <= 0 }

func (g *Generator) left(t *chorusv1.Turn) time.Duration {
	return t.GetExpiresAt().AsTime().Sub(g.Now())
}

// deliveries returns the messages of a text in order: one, or, if the turn allows several and has
// time for them, one for each bubble. Only the first answers the turn's target message.
func (g *Generator) deliveries(t *chorusv1.Turn, s *scene, text string) []*chorusv1.Delivery {
	whole, parts := typing(text, s.wpm, g.cfg.MaxTyping), []string{text}
	if t.GetBubbles() && g.left(t) > whole+maxBubbles*perBubble {
		parts = bubbles(text)
	}
	all, target := make([]*chorusv1.Delivery, len(parts)), t.GetTargetMessage()
	for i, length := range shares(whole, parts) {
		all[i] = &chorusv1.Delivery{
			Id: t.GetId(), BotId: t.GetBotId(), Action: chorusv1.Action_ACTION_SEND_MESSAGE, Text: parts[i],
			TargetMessage: target, PlannedAt: t.GetPlannedAt(), ExpiresAt: t.GetExpiresAt(),
			CreatedAt: timestamppb.New(g.Now()), Typing: durationpb.New(length),
		}
		target = 0
	}
	return all
}

// minTyping is the shortest time a bot is seen typing, so that a short text doesn't appear at once.
const minTyping = 800 * time.Millisecond

// typing returns how long a bot of this speed is seen typing a text. A word counts five characters,
// as typists count.
func typing(text string, wpm float64, longest time.Duration) time.Duration {
	minutes := float64(len([]rune(text))) / 5 / max(wpm, 1)
	return min(max(time.Duration(minutes*float64(time.Minute)), minTyping), longest)
}

func expired(reason string) journal.Written {
	return journal.Written{Outcome: chorusv1.Outcome_OUTCOME_EXPIRED, Reason: reason}
}

func rejected(why error) journal.Written {
	return journal.Written{Outcome: chorusv1.Outcome_OUTCOME_REJECTED, Reason: why.Error()}
}

// traceParent returns the W3C trace context of ctx.
func traceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// turnRows are the rows of the generator's stage.
type turnRows = stage.Rows[*journal.Unwritten, journal.Written]

// rows adds to turnRows: it rings for deliveries once they are committed.
type rows struct {
	turnRows

	bus     *bus.Bus
	metrics *Metrics
}

// Commit implements stage.Rows.
func (r rows) Commit(ctx context.Context, ends []stage.End[*journal.Unwritten, journal.Written]) ([]*journal.Unwritten, error) {
	next, err := r.turnRows.Commit(ctx, ends)
	if err != nil {
		return nil, err
	}
	chats := make([]int64, 0, len(ends))
	var held []*chorusv1.TurnId
	for _, e := range ends {
		switch {
		case len(e.Result.Deliveries) == 0:
			r.metrics.closed(e.Result.Outcome)
		case e.Result.Held.IsZero():
			chats = append(chats, e.Task.Chat())
		default:
			held = append(held, e.Task.GetId())
		}
	}
	r.bus.Ring(bus.Messages(), chats...)
	r.bus.Tell(subject.Held, &chorusv1.Event{Turns: held})
	return next, nil
}
