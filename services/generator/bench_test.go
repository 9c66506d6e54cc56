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

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/journal/journaltest"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

const (
	benchLatency = 50 * time.Millisecond
	benchRate    = 200 // turns per second
	benchChats   = 400
	// benchWarm turns aren't counted: one of each chat, which reads the chat's cast into the cache.
	benchWarm  = benchChats
	benchTurns = benchWarm + 5*benchRate
)

// BenchmarkOverhead measures the time from a turn's claim to the commit of its delivery, without
// the calls, for a model that answers after 50 ms and 200 turns a second.
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
	laps := startTimed(b, TimedOrder{Database: pool.Config().ConnString(), LLM: slow(b), Bus: cfg})
	feed(b, pool, broker, chats)
	testenv.Eventually(b, "all turns are written", func() (string, bool) {
		var written int
		if err := pool.QueryRow(b.Context(), `SELECT count(*) FROM deliveries WHERE state = 'waiting'`).Scan(&written); err != nil {
			b.Fatal(err)
		}
		return fmt.Sprint(written, " are"), written == benchTurns
	})
	var all []time.Duration
	for _, lap := range laps() {
		if !lap.Warm {
			all = append(all, lap.Took-lap.Calls)
		}
	}
	if len(all) != benchTurns-benchWarm {
		b.Fatalf("%d turns were timed, want %d", len(all), benchTurns-benchWarm)
	}
	return all
}

// fill gives each chat a history, and each bot opinions and memories.
func fill(b *testing.B, pool *pgxpool.Pool) {
	b.Helper()
	for _, sql := range []string{
		`INSERT INTO messages (chat_id, number, bot_id, body, sent_at) SELECT m.chat_id, nextval('message_numbers'), m.bot_id,
md5(m.chat_id || ' ' || n) || ' and ' || md5(n || ' ' || m.chat_id) || ' are all that I know of it.', now() - n * interval '10 minutes' FROM cast_members m, generate_series(1, 60) n`,
		`INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at, outcome, written_at, closed_at)
SELECT chat_id, 1000000000 - number, bot_id, 'message', '', sent_at, sent_at, sent_at + interval '1 minute', 'delivered', sent_at, sent_at FROM messages`,
		`INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at, body, created_at, state, outcome, closed_at)
SELECT m.chat_id, 1000000000 - m.number, m.bot_id, 'send_message', 'message', '', m.sent_at, m.body, m.sent_at, 'closed', 'delivered', m.sent_at FROM messages m`,
		`INSERT INTO stances (bot_id, topic, stance, confidence) SELECT id, 'topic ' || n, 'Chapter ' || n || ' is where it begins.', 0.8 FROM bots, generate_series(1, 5) n`,
		`INSERT INTO memories (bot_id, kind, content) SELECT id, 'fact', 'Remembers the book number ' || n FROM bots, generate_series(1, 10) n`,
		`ANALYZE`,
	} {
		if _, err := pool.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
}

// slow serves a model that writes another text each time.
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

// feed plans turns at a fixed rate and rings for them.
func feed(b *testing.B, pool *pgxpool.Pool, broker *bus.Bus, chats []*chorusv1.Turn) {
	b.Helper()
	j := journal.New(pool)
	tick := time.NewTicker(time.Second / benchRate)
	defer tick.Stop()
	for i := range benchTurns {
		<-tick.C
		of := chats[i%len(chats)]
		turn := journaltest.Turn(of.GetId().GetChatId(), int64(i/len(chats)+1), of.GetBotId())
		err := store.InTx(b.Context(), pool, func(tx pgx.Tx) error { return j.Plan(b.Context(), tx, []journal.Planned{{Turn: turn}}) })
		if err != nil {
			b.Fatal(err)
		}
		broker.Ring(bus.Texts(), turn.GetId().GetChatId())
	}
}
