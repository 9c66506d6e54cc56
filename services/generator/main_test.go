package generator_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// line is the model's answer unless a test sets another.
const line = "Page by page, then."

// hall is the environment that stages share, so that they don't each need servers: a real database,
// a real bus, and a generator whose texts come from the stage of the turn's chat.
type hall struct {
	t       *testing.T
	pool    *pgxpool.Pool
	journal *journal.Journal
	bus     *bus.Bus
	cfg     bus.Config
	book    *usage.Book
	now     func() time.Time // nil means the process' clock

	mu     sync.Mutex
	stages map[int64]*stage // by chat
	stored []settings.Stored
}

// Current returns the settings.
func (h *hall) Current() *settings.Values {
	h.mu.Lock()
	defer h.mu.Unlock()
	values, problems := settings.NewValues(h.stored)
	if len(problems) > 0 {
		panic(problems)
	}
	return values
}

func openHall(t *testing.T) *hall {
	t.Helper()
	h := &hall{t: t, pool: journaltest.Open(t), stages: map[int64]*stage{}, cfg: bus.DefaultConfig()}
	h.journal, h.book = journal.New(h.pool), usage.NewBook(h.pool, testenv.Logger(t))
	h.cfg.URL = testenv.NATS(t)
	h.bus = bustest.Open(t, h.cfg)
	return h
}

// run starts a generator. It runs until stop is called or the test ends.
func (h *hall) run(change ...func(*generator.Config)) (stop func()) {
	h.t.Helper()
	cfg := generator.DefaultConfig()
	for _, c := range change {
		c(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		h.t.Fatal(err)
	}
	alive := lease.New(h.pool, lease.Generator, testenv.Logger(h.t))
	g, err := generator.New(cfg, generator.Deps{Pool: h.pool, Bus: h.bus, Lease: alive, Settings: h, Texts: h, Embeddings: h, Now: h.now, Log: testenv.Logger(h.t)})
	if err != nil {
		h.t.Fatal(err)
	}
	return testenv.Background(h.t, func(ctx context.Context) error { return h.book.Around(ctx, held(alive, g.Run)) })
}

// held runs a function while the lease is held.
func held(l *lease.Lease, run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		holding, release := context.WithCancel(context.WithoutCancel(ctx))
		var all errgroup.Group
		all.Go(func() error { return l.Run(holding) })
		err := run(ctx)
		release()
		return errors.Join(err, all.Wait())
	}
}

func (h *hall) texts(chat int64) *chain.Chain {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stages[chat].texts
}

// Generate asks the provider of the chat's stage.
func (h *hall) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	if r.About.Purpose == llm.PurposeLikeness {
		h.mu.Lock()
		embeddings := h.stages[r.About.Chat].embeddings
		h.mu.Unlock()
		if embeddings == nil {
			return llm.Response{}, chain.ErrUnavailable
		}
		return embeddings.Generate(ctx, r)
	}
	return h.texts(r.About.Chat).Generate(ctx, r)
}

// Model returns true: some stages have a model.
func (h *hall) Model() bool { return true }

// stage is a chat with a bot and a model's API.
type stage struct {
	*hall

	t     *testing.T
	llm   *llmapi.API
	links []chain.Link
	texts *chain.Chain
	// embeddings is nil in most stages.
	embeddings *chain.Chain
	mu         sync.Mutex
	speaks     bool
	lines      []string
	asked      [][]llm.Message // requests since says was called
	chat, bot  int64
	last       int64 // number of the last turn
	attempts   int   // attempts of a turn when it is planned
}

// stage adds a stage with a bot named anna. Its turns are written as soon as a generator runs.
func (h *hall) stage(t *testing.T) *stage {
	t.Helper()
	s := &stage{hall: h, t: t}
	name := "stage" + s.text(`SELECT nextval('message_numbers')::text`)
	s.bot = journaltest.Bot(t, s.pool, name)
	s.exec(`UPDATE personas SET display_name = 'anna' WHERE bot_id = $1`, s.bot)
	s.chat = journaltest.Chat(t, s.pool, name, s.bot)
	s.model(llmapi.Options{Text: line})
	return s
}

// model gives the stage another model as its only provider.
func (s *stage) model(answers llmapi.Options) {
	s.t.Helper()
	var err error
	if s.llm, err = llmapi.New(answers); err != nil {
		s.t.Fatal(err)
	}
	s.provide(serve(s.t, "first", s.llm))
}

// provide sets the stage's providers.
func (s *stage) provide(links ...chain.Link) {
	s.t.Helper()
	s.links = links
	texts := chain.New(links, chain.Deps{Ledger: s.book, Log: testenv.Logger(s.t)})
	s.hall.mu.Lock()
	defer s.hall.mu.Unlock()
	s.texts, s.stages[s.chat] = texts, s
}

// limit changes the limits of the first provider.
func (s *stage) limit(change func(*chain.Limits)) {
	s.t.Helper()
	change(&s.links[0].Limits)
	s.provide(s.links...)
}

// person adds a person.
func (s *stage) person(name, username string) (id string) {
	s.t.Helper()
	return s.text(`INSERT INTO people (telegram_id, name, username) VALUES (nextval('message_numbers'), $1, $2) RETURNING telegram_id::text`, name, username)
}

// elsewhere adds another chat with this bot, or, for 0, with a new one.
func (s *stage) elsewhere(name string, bot int64) (in func(*chorusv1.Turn), chat int64) {
	s.t.Helper()
	if bot == 0 {
		bot = journaltest.Bot(s.t, s.pool, name)
	}
	chat = journaltest.Chat(s.t, s.pool, name, bot)
	s.hall.mu.Lock()
	defer s.hall.mu.Unlock()
	s.stages[chat] = s
	return func(turn *chorusv1.Turn) { turn.Id.ChatId, turn.BotId = chat, bot }, chat
}

// serve returns a provider that calls an API.
func serve(t testing.TB, name string, api http.Handler) chain.Link {
	t.Helper()
	return provider(t, name, serveHTTP(t, api))
}

func serveHTTP(t testing.TB, api http.Handler) (url string) {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return server.URL
}

func provider(t testing.TB, name, url string) chain.Link {
	t.Helper()
	cfg := openai.Default()
	cfg.Name, cfg.BaseURL, cfg.Model = name, url+"/v1", llmapi.DefaultModel
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p, err := openai.New(cfg, &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return chain.Link{Name: name, Provider: p, Limits: chain.DefaultLimits()}
}

// turn plans a turn and rings for it.
func (s *stage) turn(change ...func(*chorusv1.Turn)) *chorusv1.Turn {
	s.t.Helper()
	s.last++
	turn := journaltest.Turn(s.chat, s.last, s.bot)
	for _, c := range change {
		c(turn)
	}
	s.plan(turn)
	if s.attempts > 0 {
		s.exec(`UPDATE turns SET attempts = $3 WHERE chat_id = $1 AND turn_no = $2`, turn.GetId().GetChatId(), turn.GetId().GetNumber(), s.attempts)
	}
	s.bus.Ring(bus.Texts(), turn.GetId().GetChatId())
	return turn
}

// plan stores a turn.
func (s *stage) plan(turn *chorusv1.Turn) {
	s.t.Helper()
	err := store.InTx(s.t.Context(), s.pool, func(tx pgx.Tx) error {
		return s.journal.Plan(s.t.Context(), tx, []journal.Planned{{Turn: turn}})
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// becomes waits until the turn is in this state.
func (s *stage) becomes(turn *chorusv1.Turn, want string) {
	s.t.Helper()
	testenv.Eventually(s.t, fmt.Sprintf("turn %v is %q", turn.GetId(), want), func() (string, bool) {
		got, err := journaltest.State(s.t.Context(), s.pool, turn.GetId())
		if err != nil {
			s.t.Fatal(err)
		}
		return got, got == want
	})
}

// called waits until the model has been asked so many times.
func (s *stage) called(times int) {
	s.t.Helper()
	testenv.Eventually(s.t, fmt.Sprintf("%d calls", times), func() (string, bool) {
		n := len(s.llm.Calls())
		return fmt.Sprint(n), n >= times
	})
}

// delivery returns a turn's delivery. It deletes the text from the history, so that the model may
// write it again for the next turn.
func (s *stage) delivery(turn *chorusv1.Turn) *chorusv1.Delivery {
	s.t.Helper()
	s.becomes(turn, "open waiting")
	var payload []byte
	err := s.pool.QueryRow(s.t.Context(), `SELECT payload FROM deliveries WHERE chat_id = $1 AND turn_no = $2`,
		turn.GetId().GetChatId(), turn.GetId().GetNumber()).Scan(&payload)
	if err != nil {
		s.t.Fatal(err)
	}
	d := &chorusv1.Delivery{}
	if err := proto.Unmarshal(payload, d); err != nil {
		s.t.Fatal(err)
	}
	s.exec(`UPDATE deliveries SET body = NULL WHERE chat_id = $1 AND turn_no = $2`, turn.GetId().GetChatId(), turn.GetId().GetNumber())
	return d
}

func (s *stage) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) text(sql string, args ...any) (got string) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), sql, args...).Scan(&got); err != nil {
		s.t.Fatal(err)
	}
	return got
}

// prompts returns the requests since says was called.
func (s *stage) prompts() [][]llm.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// fault makes calls fail.
func (s *stage) fault(faults ...llmapi.Fault) {
	s.t.Helper()
	if err := s.llm.SetFaults(faults...); err != nil {
		s.t.Fatal(err)
	}
}
