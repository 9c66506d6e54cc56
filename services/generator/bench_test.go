package generator

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	benchLatency = 50 * time.Millisecond
	benchRate    = 200 // turns a second
	benchChats   = 400
	// benchWarm is turns that are not counted: one of each chat, whose cast is read
	// for it and then known.
	benchWarm  = benchChats
	benchTurns = benchWarm + 5*benchRate
)

// BenchmarkOverhead measures, with a model that answers after 50 ms and 200 turns a
// second, how long a turn takes from when it was pulled until its delivery was
// published, less the calls.
func BenchmarkOverhead(b *testing.B) {
	var all []time.Duration
	for range b.N {
		all = append(all, overheads(b)...)
	}
	slices.Sort(all)
	ms := func(part float64) float64 { return float64(all[int(part*float64(len(all)-1))].Microseconds()) / 1000 }
	fmt.Printf("figure generator.overhead_p50_ms %.2f ms\n", ms(0.5))
	fmt.Printf("figure generator.overhead_p99_ms %.2f ms\n", ms(0.99))
}

func overheads(b *testing.B) []time.Duration {
	b.Helper()
	pool := journaltest.Open(b)
	cfg := bus.DefaultConfig()
	cfg.URL = testenv.NATS(b)
	broker := bustest.Open(b, cfg)
	chats := make([]*chorusv1.Turn, benchChats)
	for i := range chats {
		bot := journaltest.Bot(b, pool, fmt.Sprintf("bot%d", i))
		chats[i] = journaltest.Turn(journaltest.Chat(b, pool, fmt.Sprintf("chat%d", i), bot), 0, bot)
	}
	fill(b, pool)
	laps := employ(b, TimedOrder{Database: pool.Config().ConnString(), LLM: slow(b), Bus: cfg})
	feed(b, pool, broker, chats)
	published := deliveries(b, cfg.URL)
	var all []time.Duration
	for id, lap := range laps() {
		if !lap.Warm {
			all = append(all, published[id].Sub(lap.Pulled)-lap.Calls)
		}
	}
	if len(all) != benchTurns-benchWarm {
		b.Fatalf("%d turns were timed, want %d", len(all), benchTurns-benchWarm)
	}
	return all
}

// deliveries waits until there is one of each turn, and says when the bus stored it.
func deliveries(b *testing.B, url string) map[string]time.Time {
	b.Helper()
	js := bustest.JetStream(b, url)
	stream, err := js.Stream(b.Context(), subject.Deliveries)
	if err != nil {
		b.Fatal(err)
	}
	testenv.Eventually(b, "all turns are written", func() (string, bool) {
		info, err := stream.Info(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		return fmt.Sprint(info.State.Msgs, " are"), info.State.Msgs == benchTurns
	})
	published := make(map[string]time.Time, benchTurns)
	for i := range uint64(benchTurns) {
		m, err := stream.GetMsg(b.Context(), i+1)
		if err != nil {
			b.Fatal(err)
		}
		var d chorusv1.Delivery
		if err := proto.Unmarshal(m.Data, &d); err != nil {
			b.Fatal(err)
		}
		published[subject.TurnID(d.GetId())] = m.Time
	}
	return published
}

// fill gives each chat a history, and each bot opinions and memories.
func fill(b *testing.B, pool *pgxpool.Pool) {
	b.Helper()
	for _, sql := range []string{
		`INSERT INTO messages (chat_id, number, bot_id, body, sent_at) SELECT m.chat_id, nextval('message_numbers'), m.bot_id,
md5(m.chat_id || ' ' || n) || ' and ' || md5(n || ' ' || m.chat_id) || ' are all that I know of it.', now() - n * interval '10 minutes' FROM cast_members m, generate_series(1, 60) n`,
		`INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at, outcome, closed_at)
SELECT chat_id, 1000000000 - number, bot_id, 'message', '', sent_at, sent_at, sent_at + interval '1 minute', 'delivered', sent_at FROM messages`,
		`INSERT INTO deliveries (chat_id, turn_no, bot_id, action, payload, expires_at, body, created_at, state, closed_at)
SELECT m.chat_id, 1000000000 - m.number, m.bot_id, 'send_message', '', m.sent_at, m.body, m.sent_at, 'closed', m.sent_at FROM messages m`,
		`INSERT INTO stances (bot_id, topic, stance, confidence) SELECT id, 'topic ' || n, 'Chapter ' || n || ' is where it begins.', 0.8 FROM bots, generate_series(1, 5) n`,
		`INSERT INTO memories (bot_id, kind, content) SELECT id, 'fact', 'Remembers the book number ' || n FROM bots, generate_series(1, 10) n`,
		`ANALYZE`,
	} {
		if _, err := pool.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
}

// slow is a model, at an address, that writes another text each time.
func slow(b *testing.B) string {
	b.Helper()
	var mu sync.Mutex
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(benchLatency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
		mu.Lock()
		n++
		sum := sha256.Sum256([]byte(strconv.Itoa(n)))
		text := fmt.Sprintf("It was in the %x and not in the %x that I put it down.", sum[:10], sum[10:20])
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":%q}}],"usage":{"prompt_tokens":500,"completion_tokens":25}}`, text)
	}))
	b.Cleanup(server.Close)
	return server.URL
}

// feed plans and publishes turns at their rate.
func feed(b *testing.B, pool *pgxpool.Pool, broker *bus.Bus, chats []*chorusv1.Turn) {
	b.Helper()
	j := journal.New(pool)
	tick := time.NewTicker(time.Second / benchRate)
	defer tick.Stop()
	for i := range benchTurns {
		<-tick.C
		of := chats[i%len(chats)]
		turn := journaltest.Turn(of.GetId().GetChatId(), int64(i/len(chats)+1), of.GetBotId())
		var entries []journal.Entry
		err := store.InTx(b.Context(), pool, func(tx pgx.Tx) (err error) {
			entries, _, err = j.Plan(b.Context(), tx, []journal.Planned{{Turn: turn}})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := broker.Publish(b.Context(), entries[0].Message); err != nil {
			b.Fatal(err)
		}
	}
}
