package generator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
	"github.com/chorus-cast/chorus/services/internal/llm/script"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/child"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/lab/killpoint"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// replicaOrder is the environment variable that makes this test binary run as a generator process
// that can be killed.
const replicaOrder = "CHORUS_TEST_GENERATOR_REPLICA"

func TestMain(m *testing.M) {
	if text, is := os.LookupEnv(replicaOrder); is {
		if err := runReplica(text); err != nil {
			fmt.Fprintln(os.Stderr, "replica:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if text, is := os.LookupEnv(generator.TimedVariable); is {
		if err := generator.Timed(text); err != nil {
			fmt.Fprintln(os.Stderr, "timed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testenv.Main(m)
}

// order tells a replica at which point, and at which visit of it, to kill itself.
type order struct {
	Database, LLM string
	Bus           bus.Config
	DieAt         string
	Nth           int64
}

// runReplica runs a generator until it kills itself.
func runReplica(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("the order: %w", err)
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute) // the test fails for a replica that doesn't die
	defer stop()
	k := &killpoint.Killer{Point: o.DieAt, Nth: o.Nth, Out: io.Discard}
	cfg, err := pgxpool.ParseConfig(o.Database)
	if err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	cfg.ConnConfig.Tracer = k.Tracer(nil)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	defer pool.Close()
	b, err := bus.Connect(ctx, o.Bus, zap.NewNop(), "replica", k.Dialer(killpoint.Ring, bus.Messages().Subject+" "))
	if err != nil {
		return fmt.Errorf("the bus: %w", err)
	}
	defer b.Close()
	asks := openai.Default()
	asks.BaseURL, asks.Model = o.LLM+"/v1", llmapi.DefaultModel
	p, err := openai.New(asks, http.DefaultClient)
	if err != nil {
		return fmt.Errorf("the provider: %w", err)
	}
	book := usage.NewBook(pool, zap.NewNop())
	texts := chain.New([]chain.Link{{Name: "first", Provider: p, Limits: chain.DefaultLimits()}}, chain.Deps{Ledger: book, Log: zap.NewNop()})
	alive := lease.New(pool, lease.Generator, zap.NewNop())
	g, err := generator.New(generator.DefaultConfig(), generator.Deps{Pool: pool, Bus: b, Lease: alive, Log: zap.NewNop(), Texts: killedTexts{texts, k}})
	if err != nil {
		return fmt.Errorf("the generator: %w", err)
	}
	return book.Around(ctx, held(alive, g.Run))
}

// killedTexts makes the call to a provider a step at which the process may die.
type killedTexts struct {
	generator.Texts

	killer *killpoint.Killer
}

func (d killedTexts) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	defer d.killer.Around(killpoint.Write)()
	return d.Texts.Generate(ctx, r)
}

// TestADeadGeneratorNeverGivesATurnTwoTexts kills generators by SIGKILL before and after each step
// of their work. The model writes another text for every call, and passes for one turn in four. In
// the end these have passed, and every other turn has one delivery with a text written for it. A
// generator that doesn't reach its point fails the test. CHORUS_TEST_KILLS is the least number of
// kills.
func TestADeadGeneratorNeverGivesATurnTwoTexts(t *testing.T) {
	t.Parallel()
	points := killpoint.Generator()
	kills := len(points)
	if n, err := strconv.Atoi(os.Getenv("CHORUS_TEST_KILLS")); err == nil {
		kills = max(n, kills)
	}
	s := openHall(t).stage(t)
	var mu sync.Mutex
	written, texts := map[string][]string{}, 0 // written: texts by the first word of their prompt
	server := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		texts++
		n := texts
		mu.Unlock()
		text := fmt.Sprintf("%x is number %d of its kind, and %x follows.", n*7919, n, n*104729)
		question, err := io.ReadAll(r.Body)
		if err != nil { // the replica died while it sent the request
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(question))
		if bytes.Contains(question, []byte("for silent")) {
			text = script.Pass
		}
		api, err := llmapi.New(llmapi.Options{Text: text})
		if err != nil {
			t.Error(err)
			return
		}
		api.ServeHTTP(w, r)
		calls := api.Calls()
		if len(calls) == 0 || text == script.Pass {
			return
		}
		whose, _, _ := strings.Cut(calls[0].Messages[0].Content, ",")
		mu.Lock()
		written[whose] = append(written[whose], text)
		mu.Unlock()
	}))
	s.provide(provider(t, "first", server))
	var all, silent []*chorusv1.Turn
	random := rand.New(rand.NewPCG(5, 1))
	for i := range kills {
		point, nth := points[i%len(points)], int64(1) // many turns are claimed and committed at once: there may be no second time
		if strings.HasSuffix(point, killpoint.Write) {
			nth += random.Int64N(4)
		}
		for range 15 { // more turns than it handles before it dies
			if len(all) == 3*len(silent) {
				there, chat := s.elsewhere(fmt.Sprintf("silent%d", len(silent)), 0)
				s.exec(`INSERT INTO messages (chat_id, bot_id, body, sent_at) VALUES ($1, $2, 'Well.', now())`, chat, s.bot)
				silent = append(silent, s.turn(within(10*time.Minute), there))
			}
			there, _ := s.elsewhere(fmt.Sprintf("bot%d", len(all)), 0)
			all = append(all, s.turn(within(10*time.Minute), there))
		}
		s.kill(server, point, nth)
	}
	stop := s.run()
	for _, turn := range all {
		s.becomes(turn, "open waiting")
	}
	for _, turn := range silent {
		s.becomes(turn, "passed")
	}
	stop()
	mu.Lock()
	defer mu.Unlock()
	valid, twice := map[string]bool{}, 0
	for _, texts := range written {
		for _, text := range texts {
			valid[text] = true
		}
		if len(texts) > 1 {
			twice++
		}
	}
	if least := kills / len(points); len(written) != len(all) || twice < least {
		t.Errorf("%d bots had texts, %d of them two: no generator died between a text and its delivery", len(written), twice)
	}
	for _, turn := range all {
		if d := s.delivery(turn); !valid[d.GetText()] { // the row's key excludes a second delivery
			t.Errorf("turn %v says %q, which nobody wrote", turn.GetId(), d.GetText())
		}
	}
	if n := s.text(`SELECT count(*)::text FROM deliveries`); n != strconv.Itoa(len(all)) {
		t.Errorf("%d turns became %s deliveries", len(all), n)
	}
}

// kill runs a generator that kills itself.
func (s *stage) kill(llmURL, point string, nth int64) {
	s.t.Helper()
	text, err := json.Marshal(order{Database: s.pool.Config().ConnString(), LLM: llmURL, Bus: s.cfg, DieAt: point, Nth: nth})
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), replicaOrder+"="+string(text))
	cmd.Stderr = os.Stderr
	replica, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		s.t.Fatal(err)
	}
	<-replica.Done()
	if err := replica.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		s.t.Fatalf("a generator that was to die %s ended so: %v", point, err)
	}
}
