package bus_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// fleet is replicas that consume turns side by side, and a ledger of what became
// of the turns that the test publishes.
type fleet struct {
	t      testing.TB
	cfg    bus.Config
	server *testenv.BusServer
	bus    *bus.Bus // the test's own

	started int

	mu        sync.Mutex
	work      work
	published map[int64]int64            // the chat's last turn
	handled   map[int64][]handled        // by chat, in order of time
	stir      map[chan struct{}]struct{} // told of every change of handled
}

// work is what a handler does. A turn is handled when it returns nil.
type work func(ctx context.Context, r *replica, id *chorusv1.TurnId) error

type handled struct {
	turn int64
	by   *replica
	at   time.Time
}

// replica is one process' consumer, on a connection that can be cut.
type replica struct {
	name string
	link *testenv.Link
	logs *observer.ObservedLogs
	// metrics has the consumer's.
	metrics *prometheus.Registry
	members func() int
	stop    func()
}

func newFleet(t testing.TB, ackWait, memberTTL time.Duration) *fleet {
	t.Helper()
	f := &fleet{
		t: t, cfg: bus.DefaultConfig(), server: testenv.NATSServer(t),
		work:      func(context.Context, *replica, *chorusv1.TurnId) error { return nil },
		published: map[int64]int64{}, handled: map[int64][]handled{}, stir: map[chan struct{}]struct{}{},
	}
	f.cfg.AckWait, f.cfg.MemberTTL = ackWait, memberTTL
	f.bus = f.connect(f.server.URL(), testenv.Logger(t))
	if err := f.bus.Declare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fleet) connect(url string, log *zap.Logger) *bus.Bus {
	f.t.Helper()
	cfg := f.cfg
	cfg.URL = url
	b, err := bus.Connect(f.t.Context(), cfg, log, f.t.Name())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(b.Close)
	return b
}

func (f *fleet) start(n int) []*replica {
	f.t.Helper()
	replicas := make([]*replica, n)
	for i := range replicas {
		f.started++
		replicas[i] = f.startOne(fmt.Sprint("replica-", f.started))
	}
	return replicas
}

func (f *fleet) startOne(name string) *replica {
	f.t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	r := &replica{name: name, link: testenv.Proxy(f.t, f.server.URL()), logs: logs, metrics: prometheus.NewRegistry()}
	log := testenv.Logger(f.t).WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewTee(c, core) }))
	b := f.connect(r.link.URL(), log.Named(name))
	c := bus.NewConsumer(b, bus.Generator(), nil, bus.NewMetrics(r.metrics), func(ctx context.Context, m *chorusv1.Turn) error {
		if err := f.working()(ctx, r, m.GetId()); err != nil {
			return err
		}
		f.note(r, m.GetId())
		return nil
	})
	r.members, r.stop = c.Members, testenv.Background(f.t, c.Run)
	return r
}

// does sets what handlers do from now on.
func (f *fleet) does(w work) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.work = w
}

func (f *fleet) working() work {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.work
}

func (f *fleet) note(r *replica, id *chorusv1.TurnId) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handled[id.GetChatId()] = append(f.handled[id.GetChatId()], handled{turn: id.GetNumber(), by: r, at: time.Now()})
	for c := range f.stir {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// publish puts the next turn of each chat on the bus.
func (f *fleet) publish(chats ...int64) {
	f.t.Helper()
	messages := make([]bus.Message, len(chats))
	f.mu.Lock()
	for i, chat := range chats {
		f.published[chat]++
		messages[i] = turn(chat, f.published[chat])
	}
	f.mu.Unlock()
	if _, err := f.bus.Publish(f.t.Context(), messages...); err != nil {
		f.t.Error(err)
	}
}

// load publishes a turn of each of some chats over and over until it is ended.
func (f *fleet) load(every time.Duration, n int) (end func()) {
	chats := make([]int64, n)
	for i := range chats {
		chats[i] = int64(1_000_000 + i)
	}
	var publishing sync.WaitGroup
	ctx, cancel := context.WithCancel(f.t.Context())
	publishing.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				f.publish(chats...)
			}
		}
	})
	end = sync.OnceFunc(func() { cancel(); publishing.Wait() })
	f.t.Cleanup(end)
	return end
}

// await waits until what was handled meets a condition.
func (f *fleet) await(what string, limit time.Duration, is func(map[int64][]handled) bool) {
	f.t.Helper()
	changed := make(chan struct{}, 1)
	f.mu.Lock()
	f.stir[changed] = struct{}{}
	f.mu.Unlock()
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		f.mu.Lock()
		met := is(f.handled)
		f.mu.Unlock()
		if met {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			f.t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// settled waits until every turn that was published was handled, or those of
// some chats.
func (f *fleet) settled(chats ...int64) {
	f.t.Helper()
	f.await("every turn is handled", patience, func(got map[int64][]handled) bool {
		for chat, last := range f.published {
			if (len(chats) == 0 || slices.Contains(chats, chat)) && !slices.ContainsFunc(got[chat], func(h handled) bool { return h.turn == last }) {
				return false
			}
		}
		return true
	})
}

// shared waits until the replicas read an even part of the partitions each, as
// is seen from who handles the turns of one chat in each partition.
func (f *fleet) shared(limit time.Duration, among []*replica) {
	f.t.Helper()
	chats := chatsOfAllPartitions()
	deadline := time.Now().Add(limit)
	want := part(len(among))
	for {
		f.publish(chats...)
		f.settled(chats...)
		have := map[*replica]int{}
		f.mu.Lock()
		for _, chat := range chats {
			have[f.handled[chat][len(f.handled[chat])-1].by]++
		}
		f.mu.Unlock()
		even := len(have) == len(among)
		for _, r := range among {
			even = even && have[r] >= want.least && have[r] <= want.most && r.members() == len(among)
		}
		if even {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("not shared evenly among %d replicas within %v: %v", len(among), limit, have)
		}
	}
}

// parts is how many partitions a replica may have when they are shared evenly.
type parts struct{ least, most int }

// part is what one of n replicas has: a part rounded up, but for one, which has
// what is left.
func part(n int) parts {
	most := (subject.Partitions + n - 1) / n
	return parts{least: subject.Partitions - (n-1)*most, most: most}
}

// inOrder checks that every turn was handled: each chat's in order, and once.
func (f *fleet) inOrder() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for chat, last := range f.published {
		want := int64(1)
		for _, h := range f.handled[chat] {
			if h.turn != want {
				f.t.Errorf("chat %d: turn %d by %s, want turn %d", chat, h.turn, h.by.name, want)
			}
			want = h.turn + 1
		}
		if want != last+1 {
			f.t.Errorf("chat %d: %d turns handled, want %d", chat, want-1, last)
		}
	}
}

// rebalanced counts the log's lines about it.
func (r *replica) rebalanced() int { return r.logs.FilterMessage("partitions are shared").Len() }

// reads is how many partitions the metrics say that it reads.
func (r *replica) reads(t testing.TB) int {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "chorus_bus_partitions" {
			return int(f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	t.Fatal("there is no metric of partitions")
	return 0
}

// await waits for a value.
func await[T any](t testing.TB, from <-chan T) {
	t.Helper()
	select {
	case <-from:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
}

// chatsOfAllPartitions is one chat of each.
func chatsOfAllPartitions() []int64 {
	chats := make([]int64, subject.Partitions)
	for chat, found := int64(1), 0; found < len(chats); chat++ {
		if p := subject.Partition(chat); chats[p] == 0 {
			chats[p] = chat
			found++
		}
	}
	return chats
}

// busy works for some time, or until it is told to stop.
func busy(ctx context.Context, d time.Duration) error {
	done := time.NewTimer(d)
	defer done.Stop()
	select {
	case <-done.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
