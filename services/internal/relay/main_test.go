package relay_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/internal/relay"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// stage is a journal and a bus, with one chat and one bot.
type stage struct {
	*journal.Journal
	t         *testing.T
	pool      *pgxpool.Pool
	server    *testenv.BusServer
	bus       *bus.Bus
	js        jetstream.JetStream
	log       *zap.Logger
	chat, bot int64
	last      int64 // turn
}

func newStage(t *testing.T) *stage {
	t.Helper()
	t.Parallel()
	s := &stage{t: t, pool: journaltest.Open(t), server: testenv.NATSServer(t), log: testenv.Logger(t)}
	s.Journal = journal.New(s.pool)
	s.bot = journaltest.Bot(t, s.pool, "anna")
	s.chat = journaltest.Chat(t, s.pool, "club", s.bot)
	cfg := bus.DefaultConfig()
	cfg.URL = s.server.URL()
	s.bus = bustest.Open(t, cfg)
	nc, err := nats.Connect(cfg.URL, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if s.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	return s
}

// plan commits turns without publishing them.
func (s *stage) plan(n int) []journal.Entry {
	s.t.Helper()
	planned := make([]journal.Planned, n)
	for i := range planned {
		s.last++
		planned[i] = journal.Planned{Turn: journaltest.Turn(s.chat, s.last, s.bot)}
	}
	var turns []journal.Entry
	err := store.InTx(s.t.Context(), s.pool, func(tx pgx.Tx) (err error) {
		turns, _, err = s.Plan(s.t.Context(), tx, planned)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return turns
}

// run runs a relay until the test or the returned function ends it.
func (s *stage) run(r *relay.Relay) (stop func()) { return testenv.Background(s.t, r.Run) }

func (s *stage) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) count(sql string, args ...any) (n int) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), sql, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// stored counts the messages of a stream by their ids.
func (s *stage) stored(name string) map[string]int {
	s.t.Helper()
	stream, err := s.js.Stream(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	ids := map[string]int{}
	state := stream.CachedInfo().State
	for seq := max(state.FirstSeq, 1); seq <= state.LastSeq; seq++ {
		m, err := stream.GetMsg(s.t.Context(), seq)
		if err != nil {
			s.t.Fatal(err)
		}
		ids[m.Header.Get(jetstream.MsgIDHeader)]++
	}
	return ids
}

func (s *stage) eventually(what string, is func() bool) {
	s.t.Helper()
	testenv.Eventually(s.t, what, func() (string, bool) { return "not", is() })
}

// renewed counts the message ids that entries get once the bus has lost them.
func renewed(entries []journal.Entry) map[string]int {
	want := map[string]int{}
	for _, e := range entries {
		want[subject.MessageID(e.Turn, 1)]++
	}
	return want
}

// ids counts each entry's message id once.
func ids(entries []journal.Entry) map[string]int {
	want := map[string]int{}
	for _, e := range entries {
		want[e.Message.ID]++
	}
	return want
}
