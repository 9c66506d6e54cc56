package generator_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
	"github.com/chorus-cast/chorus/services/internal/store"
	"github.com/chorus-cast/chorus/services/internal/testenv"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// line is what the model answers unless it is told otherwise.
const line = "Page by page, then."

// stage is a generator between a real database, a real bus and a model's API.
type stage struct {
	t         *testing.T
	pool      *pgxpool.Pool
	journal   *journal.Journal
	bus       *bus.Bus
	busURL    string
	llm       *llmapi.API
	links     []chain.Link
	texts     *chain.Chain // of the generator that ran last
	mu        sync.Mutex
	speaks    bool
	lines     []string
	asked     [][]llm.Message // with says
	chat, bot int64
	last      int64 // turn
	stop      func()
}

// newStage sets a stage on which no generator runs yet.
func newStage(t *testing.T, answers llmapi.Options) *stage {
	t.Helper()
	t.Parallel()
	s := &stage{t: t, pool: journaltest.Open(t)}
	s.journal = journal.New(s.pool)
	cfg := bus.DefaultConfig()
	cfg.URL, cfg.AckWait, cfg.MaxAttempts = testenv.NATS(t), 2*time.Second, 3
	s.busURL, s.bus = cfg.URL, bustest.Open(t, cfg)
	var err error
	s.bot = journaltest.Bot(t, s.pool, "anna")
	s.chat = journaltest.Chat(t, s.pool, "club", s.bot)
	if s.llm, err = llmapi.New(answers); err != nil {
		t.Fatal(err)
	}
	s.links = []chain.Link{serve(t, "first", s.llm)}
	return s
}

// serve is a provider that asks an API.
func serve(t testing.TB, name string, api http.Handler) chain.Link {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	cfg := openai.Default()
	cfg.Name, cfg.BaseURL, cfg.Model = name, server.URL+"/v1", llmapi.DefaultModel
	p, err := openai.New(cfg, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return chain.Link{Name: name, Provider: p, Limits: chain.DefaultLimits()}
}

// run starts a generator. The test or stop ends it.
func (s *stage) run(change ...func(*generator.Config)) {
	s.t.Helper()
	cfg := generator.DefaultConfig()
	for _, c := range change {
		c(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		s.t.Fatal(err)
	}
	book := usage.NewBook(s.pool, testenv.Logger(s.t))
	s.texts = chain.New(s.links, chain.Deps{Ledger: book, Log: testenv.Logger(s.t)})
	g, err := generator.New(cfg, generator.Deps{Pool: s.pool, Bus: s.bus, Texts: s.texts, Log: testenv.Logger(s.t)}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.stop = testenv.Background(s.t, func(ctx context.Context) error { return book.Around(ctx, g.Run) })
}

// turn writes a turn down and publishes it.
func (s *stage) turn(change ...func(*chorusv1.Turn)) *chorusv1.Turn {
	s.t.Helper()
	s.last++
	turn := journaltest.Turn(s.chat, s.last, s.bot)
	for _, c := range change {
		c(turn)
	}
	err := store.InTx(s.t.Context(), s.pool, func(tx pgx.Tx) error {
		_, _, err := s.journal.Plan(s.t.Context(), tx, []journal.Planned{{Turn: turn}})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.publish(turn, 0)
	return turn
}

// publish publishes a turn; from the second time on under another id, which the
// bus does not know for a repetition.
func (s *stage) publish(turn *chorusv1.Turn, publication int) {
	s.t.Helper()
	payload, err := proto.Marshal(turn)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = s.bus.Publish(s.t.Context(), bus.Message{
		Subject: subject.Turn(turn.GetId().GetChatId()), ID: subject.MessageID(turn.GetId(), publication), Payload: payload,
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// becomes waits until the turn is in that state.
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

// called waits until the model was asked that often.
func (s *stage) called(times int) {
	s.t.Helper()
	testenv.Eventually(s.t, fmt.Sprintf("%d calls", times), func() (string, bool) {
		n := len(s.llm.Calls())
		return fmt.Sprint(n), n >= times
	})
}

// delivery is what a turn became. It is forgotten that it was said, so that the
// model may say the same for the next turn.
func (s *stage) delivery(turn *chorusv1.Turn) *chorusv1.Delivery {
	s.t.Helper()
	s.becomes(turn, "open pending")
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

// limit changes the limits of the first provider, before a generator runs.
func (s *stage) limit(change func(*chain.Limits)) { change(&s.links[0].Limits) }

// prompts are what was asked with says.
func (s *stage) prompts() [][]llm.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// limitPrices gives the first provider prices.
func (s *stage) limitPrices() {
	s.limit(func(l *chain.Limits) { l.PromptPrice, l.CompletionPrice = 1, 2 })
}

// fault makes calls go wrong.
func (s *stage) fault(faults ...llmapi.Fault) {
	s.t.Helper()
	if err := s.llm.SetFaults(faults...); err != nil {
		s.t.Fatal(err)
	}
}
