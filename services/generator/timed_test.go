package generator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/openai"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/internal/usage"
	"github.com/chorus-cast/chorus/services/lab/child"
)

// TimedVariable is the environment variable that makes this test binary run as a generator process
// that times its turns. It holds a TimedOrder.
const TimedVariable = "CHORUS_TEST_GENERATOR_TIMED"

// TimedOrder configures such a process.
type TimedOrder struct {
	Database, LLM string
	Bus           bus.Config
}

// lap holds the times of a turn: from its claim to the commit of its delivery, and of its calls.
// Warm is false for a chat's first turn, which fills the caches.
type lap struct {
	Took, Calls time.Duration
	Warm        bool

	began time.Time
}

// stopwatch times turns.
type stopwatch struct {
	Texts

	mu   sync.Mutex
	laps map[string]*lap
}

func (w *stopwatch) of(id string) *lap {
	if w.laps[id] == nil {
		w.laps[id] = &lap{}
	}
	return w.laps[id]
}

// Generate times the provider's call by the duration in its answer, so that the time of the chain
// itself isn't subtracted.
func (w *stopwatch) Generate(ctx context.Context, r llm.Request) (llm.Response, error) {
	answer, err := w.Texts.Generate(ctx, r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of(subject.TurnID(&chorusv1.TurnId{ChatId: r.About.Chat, Number: r.About.Turn})).Calls += answer.Usage.Latency
	return answer, err
}

// begin records the start of work on a turn.
func (w *stopwatch) begin(id *chorusv1.TurnId) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.of(subject.TurnID(id))
	l.began, l.Warm = time.Now(), id.GetNumber() <= benchWarm/benchChats
}

// timedRows records when turns are committed.
type timedRows struct {
	turnRows

	watch *stopwatch
}

// Commit implements stage.Rows.
func (r timedRows) Commit(ctx context.Context, ends []stage.End[*journal.Unwritten, journal.Written]) ([]*journal.Unwritten, error) {
	next, err := r.turnRows.Commit(ctx, ends)
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	for _, e := range ends {
		l := r.watch.of(subject.TurnID(e.Task.GetId()))
		l.Took = time.Since(l.began)
	}
	return next, err
}

// startTimed starts a generator process that times its turns. It has one core, as in production.
// The returned function stops it and returns the times by turn.
func startTimed(b *testing.B, o TimedOrder) (laps func() map[string]lap) {
	b.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), TimedVariable+"="+string(text), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, said, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stdout = said
	process, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		b.Fatal(err)
	}
	_ = said.Close() // the child process has its own copy
	b.Cleanup(func() { _, _ = out.Close(), process.Stop(0) })
	return func() map[string]lap {
		_ = in.Close()
		var all map[string]lap
		if err := json.NewDecoder(out).Decode(&all); err != nil {
			b.Fatalf("the generator's laps: %v", err)
		}
		return all
	}
}

// Timed runs a generator until standard input ends, and then writes the times of its turns.
func Timed(text string) error {
	var o TimedOrder
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("the order: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	read := store.DefaultConfig()
	read.URL = o.Database
	pool, err := store.Open(ctx, read)
	if err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	defer pool.Close()
	b, err := bus.Connect(ctx, o.Bus, zap.NewNop(), "timed")
	if err != nil {
		return fmt.Errorf("the bus: %w", err)
	}
	defer b.Close()
	asks := openai.Default()
	asks.BaseURL, asks.Model = o.LLM, "m"
	p, err := openai.New(asks, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}})
	if err != nil {
		return fmt.Errorf("the provider: %w", err)
	}
	limits := chain.DefaultLimits()
	limits.Workers = 64
	book := usage.NewBook(pool, zap.NewNop())
	watch := &stopwatch{laps: map[string]*lap{}, Texts: chain.New([]chain.Link{{Name: "slow", Provider: p, Limits: limits}}, chain.Deps{Ledger: book, Log: zap.NewNop()})}

	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	held := cache.New(cache.DefaultConfig(), nil, nil, zap.NewNop())
	reading.Go(func() { _ = held.Run(ctx) })                                                                            // ends with the context
	reading.Go(func() { _ = listen.New(pool, zap.NewNop(), cachepg.New(pool, held, zap.NewNop()).Channel()).Run(ctx) }) // ends with the context
	alive := lease.New(pool, lease.Generator, zap.NewNop())
	reading.Go(func() { _ = alive.Run(ctx) }) // ends with the context
	g, err := New(DefaultConfig(), Deps{Pool: pool, Bus: b, Lease: alive, Texts: watch, Roster: rostercache.New(pool, held), Log: zap.NewNop()})
	if err != nil {
		return fmt.Errorf("the generator: %w", err)
	}
	g.turns = g.stage(timedRows{g.ringing(g.texts()), watch}, func(ctx context.Context, u *journal.Unwritten) (journal.Written, error) {
		watch.begin(u.GetId())
		return g.generate(ctx, u)
	})
	reading.Go(func() {
		defer stop()
		_, _ = io.Copy(io.Discard, os.Stdin)
	})
	if err := book.Around(ctx, g.Run); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("run: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(watch.laps)
}
