package stage_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/stage"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// row is a row of a chat. Owner 0 is none.
type row struct {
	owner                  int
	fence                  int
	claimedUntil           time.Time
	notBefore              time.Time
	attempts               int
	created                time.Time
	done, dead             bool
	refused                bool // the database rejects its result
	finished, deadLettered int
}

func (r *row) open() bool { return !r.done && !r.dead }

// table simulates the database.
type table struct {
	mu    sync.Mutex
	rows  map[int64][]*row // by chat, in order
	alive map[int]bool
	// fault decides how a statement fails; nil means that all succeed.
	fault func(what string) fault
	// takes is the duration of a statement.
	takes time.Duration
	// blind makes sweeps find nothing.
	blind  bool
	sweeps int
	// committed is called after a commit has read the next rows, before its response.
	committed func()
}

// fault is a kind of failure of a statement.
type fault int

const (
	none fault = iota
	failed
	answerLost // the statement was executed
)

var errDatabase = errors.New("the database is away")

func newTable() *table {
	return &table{rows: map[int64][]*row{}, alive: map[int]bool{}, takes: time.Millisecond}
}

// add appends n rows to a chat.
func (t *table) add(chat int64, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range n {
		t.rows[chat] = append(t.rows[chat], &row{created: time.Now()})
	}
}

// slow sets the duration of statements.
func (t *table) slow(takes time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.takes = takes
}

// left counts the open rows.
func (t *table) left() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, rows := range t.rows {
		for _, r := range rows {
			if r.open() {
				n++
			}
		}
	}
	return n
}

// look calls each for every row.
func (t *table) look(each func(chat int64, number int, r *row)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for chat, rows := range t.rows {
		for i, r := range rows {
			each(chat, i, r)
		}
	}
}

func (t *table) next(chat int64) (int, *row) {
	for i, r := range t.rows[chat] {
		if r.open() {
			return i, r
		}
	}
	return 0, nil
}

const leaseTime = time.Minute

// task is a claimed row.
type task struct {
	chat     int64
	number   int
	fence    int
	attempts int
}

func (t *task) Chat() int64   { return t.chat }
func (t *task) Attempts() int { return t.attempts }
func (*task) Trace() string   { return "" }

// client is one process' connection to the table.
type client struct {
	*table

	owner int
}

var _ stage.Rows[*task, int] = client{}

func (c client) claim(chat int64, number int, r *row) *task {
	r.owner, r.fence, r.claimedUntil = c.owner, r.fence+1, time.Now().Add(leaseTime)
	return &task{chat, number, r.fence, r.attempts}
}

// statement executes do, unless a fault prevents it.
func (c client) statement(ctx context.Context, what string, do func() error) error {
	c.mu.Lock()
	takes := c.takes
	c.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	c.mu.Lock()
	f := none
	if !c.alive[c.owner] {
		f = failed
	} else if c.fault != nil {
		f = c.fault(what)
	}
	var err error
	if f != failed {
		err = do()
	}
	c.mu.Unlock()
	if f != none {
		return errDatabase
	}
	return err
}

// Claim implements stage.Rows.
func (c client) Claim(ctx context.Context, chats []int64) (tasks []*task, err error) {
	err = c.statement(ctx, "claim", func() error {
		for _, chat := range chats {
			if i, r := c.next(chat); r != nil && r.owner == 0 && !r.notBefore.After(time.Now()) {
				tasks = append(tasks, c.claim(chat, i, r))
			}
		}
		return nil
	})
	return only(tasks, err)
}

func only(tasks []*task, err error) ([]*task, error) {
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// mine returns the row of a task that is still claimed, else nil.
func (c client) mine(t *task) *row {
	if r := c.rows[t.chat][t.number]; r.fence == t.fence && r.owner == c.owner && r.open() {
		return r
	}
	return nil
}

// Commit implements stage.Rows.
func (c client) Commit(ctx context.Context, ends []stage.End[*task, int]) (next []*task, err error) {
	err = c.statement(ctx, "commit", func() error {
		for _, e := range ends {
			if c.rows[e.Task.chat][e.Task.number].refused {
				return &pgconn.PgError{Code: "22021"}
			}
		}
		for _, e := range ends {
			r := c.mine(e.Task)
			if r == nil {
				continue
			}
			r.done, r.owner, r.finished = true, 0, r.finished+1
			if i, n := c.next(e.Task.chat); !e.Last && n != nil && n.owner == 0 && !n.notBefore.After(time.Now()) {
				next = append(next, c.claim(e.Task.chat, i, n))
			}
		}
		return nil
	})
	if c.committed != nil {
		c.committed()
	}
	return only(next, err)
}

// Defer implements stage.Rows.
func (c client) Defer(ctx context.Context, t *task, until time.Time, failures int) error {
	return c.statement(ctx, "defer", func() error {
		if r := c.mine(t); r != nil {
			r.owner, r.notBefore, r.attempts = 0, until, r.attempts+failures
		}
		return nil
	})
}

// DeadLetter implements stage.Rows.
func (c client) DeadLetter(ctx context.Context, t *task, _ string) error {
	return c.statement(ctx, "dead-letter", func() error {
		if r := c.mine(t); r != nil {
			r.dead, r.owner, r.deadLettered = true, 0, r.deadLettered+1
		}
		return nil
	})
}

// Sweep implements stage.Rows.
func (c client) Sweep(ctx context.Context, limit int, mine []int64) (found stage.Swept[*task], err error) {
	err = c.statement(ctx, "sweep", func() error {
		c.sweeps++
		now := time.Now()
		for _, chat := range slices.Sorted(maps.Keys(c.rows)) {
			i, r := c.next(chat)
			switch {
			case r == nil:
				continue
			case r.owner == 0 && !r.notBefore.After(now) && now.Sub(r.created) >= 2*time.Second && len(found.Due) < limit:
				found.Due = append(found.Due, chat)
			case r.owner != 0 && !slices.Contains(mine, chat) && len(found.Taken) < limit &&
				(r.claimedUntil.Before(now) || !c.alive[r.owner] || r.owner == c.owner && r.claimedUntil.Before(now.Add(leaseTime-15*time.Second))):
				found.Taken = append(found.Taken, c.claim(chat, i, r))
			}
			found.Open++
		}
		if c.blind {
			found.Due = nil
		}
		return nil
	})
	if err != nil {
		return stage.Swept[*task]{}, err
	}
	return found, nil
}

// bell delivers rings, unless they get lost.
type bell struct {
	mu    sync.Mutex
	rings []int64
	came  chan struct{}
	lose  func() bool // nil for never
	acks  int
	asked []int // the n of each Receive
}

func newBell() *bell { return &bell{came: make(chan struct{}, 1)} }

func (b *bell) ring(chats ...int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range chats {
		if b.lose == nil || !b.lose() {
			b.rings = append(b.rings, c)
		}
	}
	select {
	case b.came <- struct{}{}:
	default:
	}
}

// Receive implements stage.Rings.
func (b *bell) Receive(ctx context.Context, n int, ring func([]int64, func())) error {
	b.mu.Lock()
	b.asked = append(b.asked, n)
	b.mu.Unlock()
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	for {
		b.mu.Lock()
		got := b.rings[:min(n, len(b.rings))]
		b.rings = b.rings[len(got):]
		b.mu.Unlock()
		for _, c := range got {
			ring([]int64{c}, func() {
				b.mu.Lock()
				b.acks++
				b.mu.Unlock()
			})
		}
		if len(got) > 0 {
			return nil
		}
		select {
		case <-b.came:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// process runs a stage on a table.
type process struct {
	*stage.Stage[*task, int]

	owner  int
	cancel context.CancelFunc
	ended  chan struct{}
	told   atomic.Int64 // ended tasks
}

func start(t *table, owner int, b *bell, change func(*stage.Config), work stage.Work[*task, int]) *process {
	cfg := stage.Config{Name: "test", MaxInFlight: 8, MaxAttempts: 5, MaxWait: time.Second, Lease: leaseTime, Grace: time.Second}
	if change != nil {
		change(&cfg)
	}
	t.mu.Lock()
	t.alive[owner] = true
	t.mu.Unlock()
	p := &process{owner: owner}
	ended := func(tasks []stage.Task) { p.told.Add(int64(len(tasks))) }
	p.Stage = stage.New(cfg, client{t, owner}, stage.Deps{Rings: b, Ended: ended, Log: zap.NewNop()}, work)
	p.run()
	return p
}

func (p *process) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	p.cancel, p.ended = cancel, ended
	go func() {
		defer close(ended)
		_ = p.Run(ctx)
	}()
}

// stop stops the process. It may be called several times.
func (p *process) stop() {
	p.cancel()
	<-p.ended
}

// watch checks that rows of a chat are done in order and one at a time.
type watch struct {
	mu          sync.Mutex
	now         map[int64]bool
	last        map[int64]int
	faults      []string
	maxInFlight int
	calls       int
}

func newWatch() *watch { return &watch{now: map[int64]bool{}, last: map[int64]int{}} }

// begin records the beginning of work on a task, and returns a function that records its
// end.
func (w *watch) begin(t *task) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.now[t.chat] {
		w.faults = append(w.faults, fmt.Sprintf("two rows of chat %d are done at a time, one of them %d", t.chat, t.number))
	}
	if t.number < w.last[t.chat] {
		w.faults = append(w.faults, fmt.Sprintf("row %d of chat %d is done after row %d", t.number, t.chat, w.last[t.chat]))
	}
	w.now[t.chat], w.last[t.chat] = true, t.number
	w.maxInFlight = max(w.maxInFlight, len(w.now))
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.now, t.chat)
	}
}

func (w *watch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

func (w *watch) check(t testing.TB) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.faults {
		t.Error(f)
	}
}

// pause sleeps, or returns early when the context ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// done waits until no row is open.
func done(t testing.TB, rows *table, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); rows.left() > 0; {
		if time.Now().After(end) {
			t.Fatalf("%d rows are open after %v", rows.left(), within)
		}
		_ = pause(t.Context(), 10*time.Millisecond)
	}
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
