package generator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/generator"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/bus/bustest"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/child"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// replicaOrder is the variable that makes of this test binary a generator in a
// process of its own: one that can be killed.
const replicaOrder = "CHORUS_TEST_GENERATOR_REPLICA"

func TestMain(m *testing.M) {
	if text, is := os.LookupEnv(replicaOrder); is {
		if err := obey(text); err != nil {
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

// The steps after which a replica kills itself.
const (
	aText        = "a text"
	aDelivery    = "a delivery"
	aPublication = "a publication"
)

// order is what a replica is told: to kill itself after the count-th time of a step.
type order struct {
	Database, LLM string
	Bus           bus.Config
	Step          string
	Count         int64
}

// obey runs a generator until it kills itself.
func obey(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("the order: %w", err)
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute) // one that does not die is found out
	defer stop()
	f := &fuse{order: o}
	cfg, err := pgxpool.ParseConfig(o.Database)
	if err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	cfg.ConnConfig.Tracer = f
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	defer pool.Close()
	b, err := bus.Connect(ctx, o.Bus, zap.NewNop(), "replica")
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
	f.Texts = chain.New([]chain.Link{{Name: "first", Provider: p, Limits: chain.DefaultLimits()}}, chain.Deps{Ledger: book, Log: zap.NewNop()})
	g, err := generator.New(generator.DefaultConfig(), generator.Deps{Pool: pool, Bus: b, Log: zap.NewNop(), Texts: f}, nil)
	if err != nil {
		return fmt.Errorf("the generator: %w", err)
	}
	return book.Around(ctx, g.Run)
}

// fuse kills this process after a step: between a text and its delivery, between
// that and its publication, or after it.
type fuse struct {
	generator.Texts

	order order
	burnt atomic.Int64
}

func (f *fuse) after(step string) {
	if step != f.order.Step || f.burnt.Add(1) != f.order.Count {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}

func (f *fuse) Generate(ctx context.Context, r llm.Request, about usage.About) (llm.Response, error) {
	answer, err := f.Texts.Generate(ctx, r, about)
	if err == nil {
		f.after(aText)
	}
	return answer, err
}

type statementKey struct{}

func (f *fuse) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, statementKey{}, q.SQL)
}

func (f *fuse) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	sql, _ := ctx.Value(statementKey{}).(string)
	if strings.Contains(sql, "UPDATE deliveries r SET published_at") {
		f.after(aPublication)
	}
}

// TraceBatchStart begins to note whether the batch makes a delivery.
func (f *fuse) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return context.WithValue(ctx, statementKey{}, new(bool))
}

// TraceBatchQuery notes whether the batch makes a delivery.
func (f *fuse) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, q pgx.TraceBatchQueryData) {
	if makes, is := ctx.Value(statementKey{}).(*bool); is && strings.Contains(q.SQL, "INSERT INTO deliveries") {
		*makes = true
	}
}

// TraceBatchEnd comes when what the batch did is committed.
func (f *fuse) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) {
	if makes, is := ctx.Value(statementKey{}).(*bool); is && *makes {
		f.after(aDelivery)
	}
}

// TestADeadGeneratorNeverGivesATurnTwoTexts kills generators, by SIGKILL, after
// each step of their work, while a model writes another text for every call. In the
// end each turn has one delivery, and all that was ever published of it is that.
// CHORUS_TEST_KILLS says how many are killed.
func TestADeadGeneratorNeverGivesATurnTwoTexts(t *testing.T) {
	t.Parallel()
	kills := 3
	if n, err := strconv.Atoi(os.Getenv("CHORUS_TEST_KILLS")); err == nil {
		kills = n
	}
	s := openHall(t).stage(t)
	var mu sync.Mutex
	written, texts := map[string]int{}, 0 // by whose
	server := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		texts++
		n := texts
		mu.Unlock()
		api, err := llmapi.New(llmapi.Options{Text: fmt.Sprintf("%x is number %d of its kind, and %x follows.", n*7919, n, n*104729)})
		if err != nil {
			t.Error(err)
			return
		}
		api.ServeHTTP(w, r)
		whose, _, _ := strings.Cut(api.Calls()[0].Messages[0].Content, ",")
		mu.Lock()
		written[whose]++
		mu.Unlock()
	}))
	s.provide(provider(t, "first", server))
	var all []*chorusv1.Turn
	random := rand.New(rand.NewPCG(5, 1))
	for i := range kills {
		step, count := []string{aText, aDelivery, aPublication}[i%3], 1+random.Int64N(4)
		if step == aPublication {
			count = 1 // many are written down at once, and there may be no second time
		}
		for range 15 { // more than it does before it dies
			there, _ := s.elsewhere(fmt.Sprintf("bot%d", len(all)), 0)
			all = append(all, s.turn(within(10*time.Minute), there))
		}
		s.kill(server, step, count)
	}
	stop := s.run()
	for _, turn := range all {
		s.becomes(turn, "open pending")
	}
	stop()
	s.comparePublished(all)
	twice := 0
	for _, n := range written {
		if n > 1 {
			twice++
		}
	}
	if least := (kills + 2) / 3; len(written) != len(all) || twice < least {
		t.Errorf("%d bots had texts, %d of them two: no generator died between a text and its delivery", len(written), twice)
	}
}

// kill runs a generator that kills itself.
func (s *stage) kill(llmURL, step string, count int64) {
	s.t.Helper()
	text, err := json.Marshal(order{Database: s.pool.Config().ConnString(), LLM: llmURL, Bus: s.cfg, Step: step, Count: count})
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
		s.t.Fatalf("a generator that was to die after %s ended so: %v", step, err)
	}
}

// comparePublished has of each turn nothing on the bus but what is written down.
func (s *stage) comparePublished(turns []*chorusv1.Turn) {
	s.t.Helper()
	published := s.published()
	for _, turn := range turns {
		var row []byte
		err := s.pool.QueryRow(s.t.Context(), `SELECT payload FROM deliveries WHERE chat_id = $1 AND turn_no = $2`, turn.GetId().GetChatId(), turn.GetId().GetNumber()).Scan(&row)
		if err != nil {
			s.t.Fatal(err)
		}
		d := &chorusv1.Delivery{}
		if err := proto.Unmarshal(row, d); err != nil {
			s.t.Fatal(err)
		}
		texts := published[subject.TurnID(turn.GetId())]
		if len(texts) == 0 {
			s.t.Errorf("turn %v: nothing was published", turn.GetId())
		}
		for _, text := range texts {
			if text != d.GetText() {
				s.t.Errorf("turn %v: %q was published, and %q is written down", turn.GetId(), text, d.GetText())
			}
		}
	}
}

// published are the texts of all deliveries that are on the bus, by turn.
func (s *stage) published() map[string][]string {
	s.t.Helper()
	js := bustest.JetStream(s.t, s.cfg.URL)
	stream, err := js.Stream(s.t.Context(), subject.Deliveries)
	if err != nil {
		s.t.Fatal(err)
	}
	texts := map[string][]string{}
	for seq := range stream.CachedInfo().State.LastSeq {
		m, err := stream.GetMsg(s.t.Context(), seq+1)
		if err != nil {
			s.t.Fatal(err)
		}
		d := &chorusv1.Delivery{}
		if err := proto.Unmarshal(m.Data, d); err != nil {
			s.t.Fatal(err)
		}
		texts[subject.TurnID(d.GetId())] = append(texts[subject.TurnID(d.GetId())], d.GetText())
	}
	return texts
}
