package sender_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/cache"
	"github.com/chorus-cast/chorus/services/internal/infra/cache/cachepg"
	"github.com/chorus-cast/chorus/services/internal/infra/lease"
	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
	"github.com/chorus-cast/chorus/services/internal/roster/rostercache"
	"github.com/chorus-cast/chorus/services/lab/child"
	"github.com/chorus-cast/chorus/services/lab/killpoint"
	"github.com/chorus-cast/chorus/services/lab/testenv"
	"github.com/chorus-cast/chorus/services/sender"
)

// replicaOrder is the environment variable that makes this test binary run a sender in its
// own process, which can be killed, stopped and measured.
const replicaOrder = "CHORUS_TEST_SENDER_REPLICA"

func TestMain(m *testing.M) {
	if text, is := os.LookupEnv(replicaOrder); is {
		if err := runReplica(text); err != nil {
			fmt.Fprintln(os.Stderr, "replica:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testenv.Main(m)
}

// order holds a replica's configuration.
type order struct {
	Database, Telegram string
	Bus                bus.Config
	Sender             sender.Config
	Tokens             map[string]string
	// DieAt is the kill point where the replica kills itself when it reaches it for the Nth
	// time; empty for none.
	DieAt string
	Nth   int64
}

// usage is a replica's use of resources.
type usage struct {
	CPU    time.Duration
	Allocs uint64
	// Memory is the memory obtained from the system, in bytes.
	Memory uint64
	// Owner identifies the replica in claims.
	Owner int32
}

// runReplica runs a sender until standard input ends. For each line of it, it prints its
// usage.
func runReplica(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("the order: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	k := &killpoint.Killer{Point: o.DieAt, Nth: o.Nth, Out: os.Stdout}
	pool, err := killerPool(ctx, o.Database, k)
	if err != nil {
		return err
	}
	defer pool.Close()
	b, err := bus.Connect(ctx, o.Bus, zap.NewNop(), "replica", k.Dialer(killpoint.Acknowledge, "+ACK"))
	if err != nil {
		return fmt.Errorf("the bus: %w", err)
	}
	defer b.Close()
	calls := telegram.DefaultConfig()
	calls.URL = o.Telegram
	client, err := telegram.New(calls)
	if err != nil {
		return fmt.Errorf("telegram: %w", err)
	}
	roster, stopReading, err := rosterOf(ctx, o.Database)
	if err != nil {
		return err
	}
	defer stopReading()
	held := lease.New(pool, lease.Sender, zap.NewNop())
	s, err := sender.New(o.Sender, sender.Deps{
		Pool: pool, Bus: b, Lease: held, Telegram: client.With(callsTo(k)), Roster: roster, Log: zap.NewNop(),
		Open: func(bot string, _ []byte) (secret.String, error) { return secret.New(o.Tokens[bot]), nil },
	})
	if err != nil {
		return fmt.Errorf("the sender: %w", err)
	}
	living, gone := context.WithCancel(context.WithoutCancel(ctx))
	var leasing sync.WaitGroup
	leasing.Go(func() { _ = held.Run(living) }) // its error only says that the context ended
	defer leasing.Wait()
	defer gone()
	go func() {
		defer stop()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			u := used()
			u.Owner = held.Owner()
			_ = json.NewEncoder(os.Stdout).Encode(u) // an error means that the parent has ended
		}
	}()
	if err := s.Run(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// rosterOf returns a roster with a cache, as in production.
func rosterOf(ctx context.Context, url string) (_ *rostercache.Roster, stop func(), err error) {
	cfg := store.DefaultConfig()
	cfg.URL, cfg.MaxConnections = url, 3
	pool, err := store.Open(ctx, cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("the database: %w", err)
	}
	held := cache.New(cache.DefaultConfig(), nil, nil, zap.NewNop())
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { _ = held.Run(ctx) })                                                                            // it ends with the context
	all.Go(func() { _ = listen.New(pool, zap.NewNop(), cachepg.New(pool, held, zap.NewNop()).Channel()).Run(ctx) }) // and so does it
	return rostercache.New(pool, held), func() {
		cancel()
		all.Wait()
		pool.Close()
	}, nil
}

func used() usage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), Allocs: m.Mallocs, Memory: m.Sys - m.HeapReleased}
}

// replica is a sender in its own process.
type replica struct {
	*child.Process
	in     io.WriteCloser
	usages chan usage

	mu     sync.Mutex
	diedAt string // the kill point that it reached; empty for none
}

// startReplica starts a replica that kills itself when it reaches a kill point for the nth
// time, unless the point is empty.
func (s *fixture) startReplica(cfg sender.Config, dieAt string, nth int64) (*replica, error) {
	text, err := json.Marshal(order{
		Database: s.pool.Config().ConnString(), Telegram: s.telegram.URL(), Bus: s.busCfg, Sender: cfg, Tokens: s.tokens, DieAt: dieAt, Nth: nth,
	})
	if err != nil {
		return nil, fmt.Errorf("the order: %w", err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), replicaOrder+"="+string(text), "GOMAXPROCS=1") // as they are deployed
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	cmd.Stdout = w
	r := &replica{in: in, usages: make(chan usage, 1)}
	r.Process, err = child.Start(cmd, syscall.SIGKILL)
	_ = w.Close() // the replica has its own copy
	if err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("start a replica: %w", err)
	}
	go r.listen(out)
	return r, nil
}

// startReplicas starts replicas and returns when all are alive.
func (s *fixture) startReplicas(n int, cfg sender.Config) (replicas []*replica, stopAll func()) {
	s.t.Helper()
	stopAll = func() {
		for _, r := range replicas {
			r.shutDown(s.t)
		}
	}
	for range n {
		r, err := s.startReplica(cfg, "", 0)
		if err != nil {
			stopAll()
			s.t.Fatal(err)
		}
		replicas = append(replicas, r)
	}
	all := lease.New(s.pool, lease.Sender, zap.NewNop())
	s.eventually("all replicas live", func() (string, bool) {
		alive, err := all.Count(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		return fmt.Sprint(alive, " do"), alive == n
	})
	return replicas, stopAll
}

// listen reads a replica's output to its end.
func (r *replica) listen(out io.ReadCloser) {
	defer out.Close()
	defer close(r.usages)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if place, dies := strings.CutPrefix(lines.Text(), killpoint.LastWords); dies {
			r.mu.Lock()
			r.diedAt = place
			r.mu.Unlock()
			continue
		}
		var u usage
		if json.Unmarshal(lines.Bytes(), &u) == nil {
			r.usages <- u
		}
	}
}

// used requests a replica's usage.
func (r *replica) used(t testing.TB) usage {
	t.Helper()
	if _, err := fmt.Fprintln(r.in); err != nil {
		t.Fatal(err)
	}
	select {
	case u := <-r.usages:
		return u
	case <-time.After(patience):
		t.Fatal("a replica does not answer")
		return usage{}
	}
}

// shutDown stops a replica gracefully.
func (r *replica) shutDown(t testing.TB) {
	t.Helper()
	_ = r.in.Close() // it fails if the replica has ended already
	select {
	case <-r.Done():
	case <-time.After(patience):
		t.Error("a replica does not stop")
		_ = r.Stop(0)
	}
}

// place returns the kill point where a replica killed itself; empty for none.
func (r *replica) place() string {
	<-r.Done()
	for range r.usages { // until the output ends
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.diedAt
}

func killerPool(ctx context.Context, url string, k *killpoint.Killer) (*pgxpool.Pool, error) {
	cfg := store.DefaultConfig()
	cfg.URL, cfg.MaxConnections = url, 8
	plain, err := store.Open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("the database: %w", err)
	}
	defer plain.Close()
	traced := plain.Config()
	traced.ConnConfig.Tracer = k.Tracer(stepsOf)
	pool, err := pgxpool.NewWithConfig(ctx, traced)
	if err != nil {
		return nil, fmt.Errorf("the database: %w", err)
	}
	return pool, nil
}
