// Package generator writes what the planner's turns say.
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
	// claimLease is longer than a text usually takes. The time that it is worked on ends
	// with it.
	claimLease = 3 * time.Minute
	// maxAttempts is how many failures make a dead letter of a turn. Its time is usually
	// over before.
	maxAttempts = 20
	// maxWait limits how long a turn that failed waits in memory.
	maxWait = 2 * time.Second
	// grace is how long texts may take to end when the process stops: they are given up.
	grace = 5 * time.Second
)

// Deps is what a generator works with.
type Deps struct {
	Pool *pgxpool.Pool
	// Rows are connections for statements that name rows by keys; Pool if nil. See
	// store.Config.ByKey.
	Rows *pgxpool.Pool
	Bus  *bus.Bus
	// Lease is how others see that this process lives. Whoever starts the generator runs
	// it.
	Lease *lease.Lease
	Texts Texts
	// Embeddings tell what texts mean; nil to compare their letters only.
	Embeddings llm.Provider
	// Roster is who plays where; nil to read it from the pool each time.
	Roster *rostercache.Roster
	// Settings tell which texts wait for a person; nil for none.
	Settings Settings
	// Now is the time of PostgreSQL's clock, by which times in rows are judged; nil for
	// this process'.
	Now     func() time.Time
	Tracer  trace.Tracer   // nil for no traces
	Stages  *stage.Metrics // nil for none
	Metrics *Metrics
	Log     *zap.Logger
}

// Settings gives the settings as they are now.
type Settings interface {
	Current() *settings.Values
}

// Texts writes texts; a chain of providers does.
type Texts interface {
	llm.Provider

	// Model tells whether anything but texts of scenes can be asked for.
	Model() bool
}

// Generator makes deliveries of turns. Run it once.
type Generator struct {
	Deps
	cfg      Config
	prompts  *prompt.Renderer
	repeats  *repeats
	past     *batch.Group[question, past]
	meanings *meanings
	news     *news.News
	newsless *outage.Log // of the news
	used     used
	turns    *stage.Stage[*journal.Unwritten, journal.Written]
}

// together is how the database is asked for many turns. Two calls at a time, so that a turn
// that comes alone need not wait for another one's: half a millisecond at 200 turns a second.
func together() batch.Config { return batch.Config{Max: 100, Calls: 2, Timeout: store.Timeout} }

// New makes a generator.
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
		news:     news.New(cfg.News, deps.Pool, deps.Now, deps.Log),
		newsless: outage.New(deps.Log, "texts go without news", "texts get news again"),
	}
	g.remember(keptFor)
	g.turns = g.stage(g.ringing(g.texts()), g.generate)
	return g, nil
}

// remember has what was read of the past kept for so long.
func (g *Generator) remember(keep time.Duration) {
	l := &lately{pool: g.Pool, max: max(g.shown(), chatWindow), keep: keep}
	g.past = batch.New(together(), l.of)
	g.repeats = &repeats{similarity: g.cfg.Similarity, past: g.past, utterance: l.utterance}
}

func (g *Generator) texts() turnRows {
	return journal.New(g.Rows).Texts(journal.Claims{Owner: g.Lease.Owner(), Lease: claimLease})
}

func (g *Generator) ringing(turns turnRows) turnRows { return rows{turns, g.Bus, g.Metrics} }

// stage returns what writes turns by work.
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

// Run writes until the context ends. Texts that are being written then are given
// up, and their turns given back.
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

// generate gives a turn's delivery, or why it gets none.
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
			g.newsless.Note(err)
		}
	}
	text, err := g.write(ctx, t, s)
	w, err := g.written(ctx, t, s, text, err)
	w.Drafts = g.kept(u, s)
	return w, err
}

// written is what becomes of a turn by its text, or by why there is none.
func (g *Generator) written(ctx context.Context, t *chorusv1.Turn, s *scene, text string, err error) (journal.Written, error) {
	switch {
	case errors.Is(err, errLate):
		return expired(err.Error()), nil
	case errors.Is(err, errPassed):
		return journal.Written{Outcome: chorusv1.Outcome_OUTCOME_PASSED, Reason: errPassed.Error()}, nil
	case errors.Is(err, errObjected), errors.Is(err, chain.ErrRefused):
		return rejected(err), nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return journal.Written{}, stage.Later(time.Time{}) // its claim has ended, its time has not
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

// kept is what is kept of how a turn's text was written, as far as its chat wants it.
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

// approval is how long a turn's text waits for a person; 0 for not at all. One that a person
// had written again is theirs to look at.
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

// late tells whether a turn's time is over, by the clock that it was made by.
func (g *Generator) late(t *chorusv1.Turn) bool { return g.left(t) <= 0 }

func (g *Generator) left(t *chorusv1.Turn) time.Duration {
	return t.GetExpiresAt().AsTime().Sub(g.Now())
}

// deliveries are the messages of a text, in their order: one, or where the turn allows it
// and has the time, those that its writer broke it into. The first answers what the turn
// answers.
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

// minTyping keeps a short text from coming as a surprise.
const minTyping = 800 * time.Millisecond

// typing returns how long a bot of this speed is seen typing a text: five characters
// a word, as typists count.
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

// traceParent is the W3C trace context of what is being done.
func traceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// turnRows are the turns that a stage writes.
type turnRows = stage.Rows[*journal.Unwritten, journal.Written]

// rows are the turns to write. It rings for deliveries once they are committed.
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
