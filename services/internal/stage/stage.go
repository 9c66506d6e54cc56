// Package stage runs one stage of the pipeline: writing texts, sending messages, or
// answering people's messages. The stage's queue is a table.
//
// A process that commits a row rings for its chat: it publishes the chat's id. A process
// that receives the ring claims the chat's next open row and works on it. One statement
// then stores the result and claims the chat's next row. A periodic sweep finds rows that
// nobody has claimed because a ring was lost or their time has come, and takes over claims
// of dead owners. So the rows alone decide what is done, in which order, and by whom. A
// lost ring costs time, a superfluous one costs a query.
package stage

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Task is a claimed row.
type Task interface {
	// Chat returns the row's chat. A stage works on one row of a chat at a time.
	Chat() int64
	// Attempts returns how often the task has failed.
	Attempts() int
	// Trace returns the W3C trace context of the row's creator; empty for none.
	Trace() string
}

// Rows is the queue of a stage. Its methods are called concurrently. After an error,
// nothing was changed or the outcome is unknown; the method may be called again.
type Rows[T Task, R any] interface {
	// Claim claims the next open row of each chat, if it is unclaimed and due.
	Claim(ctx context.Context, chats []int64) ([]T, error)
	// Commit stores the results of tasks and claims the next rows of their chats, except
	// for ends with Last. It skips tasks that other processes have taken over.
	Commit(ctx context.Context, ends []End[T, R]) (next []T, err error)
	// Defer releases a claim. The row may be claimed again after until; the zero time means
	// at once. failures is added to the task's attempts.
	Defer(ctx context.Context, task T, until time.Time, failures int) error
	// DeadLetter ends a failed task as a dead letter.
	DeadLetter(ctx context.Context, task T, reason string) error
	// Sweep finds rows that nobody works on, and takes over up to limit tasks. It skips the
	// chats in mine, on which this process works. All other claims of this process are
	// taken over too: they are unknown to it, because a statement's response was lost.
	Sweep(ctx context.Context, limit int, mine []int64) (Swept[T], error)
}

// End is a finished task with its result.
type End[T Task, R any] struct {
	Task   T
	Result R
	// Last prevents the claim of the chat's next row: other chats are waiting, or the
	// process is stopping.
	Last bool
}

// Swept is the result of a sweep.
type Swept[T Task] struct {
	// Taken are tasks whose owners are dead or whose claims have expired. This process has
	// claimed them.
	Taken []T
	// Due are chats whose next row is due and unclaimed.
	Due []int64
	// Open is the number of open rows, claimed or not. Oldest is the age of the oldest one.
	Open   int
	Oldest time.Duration
}

// Work does a task. The context ends when the process stops or the claim expires. The
// error's class (package fail) decides what follows: a permanent error makes the task a
// dead letter, others cause a retry, Later at a given time. When the process stops, it
// releases the task after any error except permanent ones and Later.
type Work[T Task, R any] func(ctx context.Context, task T) (R, error)

// Rings delivers the chats that have rows to work on.
type Rings interface {
	// Receive waits for rings of about n chats at most and passes them on one by one. It
	// returns after a while, or when the context ends. The receiver calls ack when it no
	// longer needs the ring.
	Receive(ctx context.Context, n int, ring func(chats []int64, ack func())) error
}

// Config configures a stage.
type Config struct {
	Name string
	// MaxInFlight limits the tasks in work.
	MaxInFlight int
	// MaxAttempts limits the failures of a task. After so many it becomes a dead letter.
	MaxAttempts int
	// MaxWait limits the wait before a retry in place. A longer wait is stored in the row.
	MaxWait time.Duration
	// Lease is the duration of a claim. The claim ends earlier if its owner dies.
	Lease time.Duration
	// Grace is the time for tasks in work to end when the process stops.
	Grace time.Duration
}

const (
	// maxBatch limits the rows of one statement.
	maxBatch = 200
	// maxWindow is the time for which a batch is gathered under load, see window. On two
	// busy cores 5 ms carried 470 to 500 turns/s, 1.5 ms 320 to 380, and 10 ms 420.
	maxWindow = 5 * time.Millisecond
	// minBatch is the number of rows expected within a window that makes waiting
	// worthwhile.
	minBatch = 2
	// maxCommits limits the concurrent commit statements.
	maxCommits = 2
	// maxRun limits the consecutive rows of one chat while other chats wait.
	maxRun = 20
	// maxTimers limits the deferred rows with a timer in this process. The sweep finds the
	// others.
	maxTimers = 10_000

	sweepEvery     = time.Second
	sweepEveryIdle = 15 * time.Second

	retryFirst = 50 * time.Millisecond
	retryMax   = 2 * time.Second
)

// Stage works on the rows of one stage. Its methods are safe for concurrent use, but only
// one Run at a time.
type Stage[T Task, R any] struct {
	cfg      Config
	rows     Rows[T, R]
	rings    Rings
	work     Work[T, R]
	holds    func() bool // whether the process' lease is held
	now      func() time.Time
	tracer   trace.Tracer
	log      *zap.Logger
	outages  *outage.Log // failures of the work
	database *outage.Log
	metrics  *Metrics
	onEnded  func([]Task)

	slots chan struct{} // one element per task in work
	jobs  chan func()   // work for idle goroutines
	ended chan ended[T, R]
	// gathering is held while a batch is gathered: two concurrent gatherers would get half
	// of it each.
	gathering chan struct{}

	mu     sync.Mutex
	chats  map[int64]*chat // wanted or in work
	wanted []want
	wake   chan struct{} // signals a wanted chat
	timers int
	busy   bool          // a task was begun, deferred or given up since the last sweep
	begun  chan struct{} // wakes the sweep loop when busy is set
}

// chat is the state of a chat that this process works on.
type chat struct {
	wanted  bool // it waits for a claim, or a claim is under way
	working bool // this process has a task of it
	// again says that a ring came after the last statement that read the chat's rows.
	again bool
	run   int // consecutive tasks
}

// want is a request to claim a chat's next row, with the ring's ack.
type want struct {
	chat int64
	ack  func()
}

// ended is a task that has succeeded or failed.
type ended[T Task, R any] struct {
	task   T
	result R
	err    error
	// failures counts the failed attempts since the claim.
	failures int
	begun    *begun
}

// begun counts the tasks of one claim statement that are still in work.
type begun struct{ working atomic.Int64 }

// Deps are the dependencies of a stage.
type Deps struct {
	Rings Rings
	// Holds reports whether other processes can see that this one is alive. While it
	// returns false, nothing is claimed. Nil means always true.
	Holds func() bool
	// Now is the clock of the rows' database, which decides when rows are due; nil for this
	// process' clock.
	Now     func() time.Time
	Tracer  trace.Tracer // nil for no traces
	Metrics *Metrics     // nil for none
	// Ended is called with tasks whose end is committed, including dead letters; nil for
	// none. It must not block.
	Ended func([]Task)
	Log   *zap.Logger
}

// New returns a stage.
func New[T Task, R any](cfg Config, rows Rows[T, R], deps Deps, work Work[T, R]) *Stage[T, R] {
	if deps.Holds == nil {
		deps.Holds = func() bool { return true }
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Tracer == nil {
		deps.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if deps.Ended == nil {
		deps.Ended = func([]Task) {}
	}
	log := deps.Log.With(zap.String("stage", cfg.Name))
	deps.Metrics = cmp.Or(deps.Metrics, NewMetrics(nil))
	deps.Metrics.begin(cfg.Name)
	return &Stage[T, R]{
		cfg: cfg, rows: rows, rings: deps.Rings, work: work, holds: deps.Holds, now: deps.Now, tracer: deps.Tracer, metrics: deps.Metrics,
		onEnded: deps.Ended, log: log,
		outages:  outage.New(log, "tasks fail, and are tried again", "tasks are done again"),
		database: outage.New(log, "nothing can be claimed or written down", "tasks are claimed and written down again").Except(store.Away),
		slots:    make(chan struct{}, cfg.MaxInFlight), jobs: make(chan func()), ended: make(chan ended[T, R], cfg.MaxInFlight), gathering: make(chan struct{}, 1),
		chats: map[int64]*chat{}, wake: make(chan struct{}, 1), begun: make(chan struct{}, 1),
	}
}

// Run works until the context ends. Then it stops claiming, waits until the tasks in work
// have ended (their contexts end too), and stores their results. It may be called again
// after it has returned.
func (s *Stage[T, R]) Run(ctx context.Context) error {
	committing, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	// After this time the results are given up: another process takes the claims over.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(s.cfg.Grace+store.Timeout, giveUp) })()
	all, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var committers errgroup.Group
	for range maxCommits {
		committers.Go(func() error { s.commitLoop(ctx, committing, all); return nil })
	}
	s.nudge() // the previous run may have left wanted chats
	var loops errgroup.Group
	loops.Go(func() error { s.receive(ctx); return nil })
	loops.Go(func() error { s.claimLoop(ctx); return nil })
	loops.Go(func() error { s.sweepLoop(ctx); return nil })
	_ = loops.Wait() // they return no errors
	for range cap(s.slots) {
		s.slots <- struct{}{} // taking all slots waits for all tasks
	}
	stop()
	err := committers.Wait()
	for range cap(s.slots) {
		<-s.slots
	}
	return err
}

// want requests a claim of the chat's next row. It never blocks.
func (s *Stage[T, R]) want(id int64, ack func()) {
	s.mu.Lock()
	c := s.chats[id]
	known := c != nil
	if known {
		c.again = true
	} else {
		s.chats[id] = &chat{wanted: true}
		s.wanted = append(s.wanted, want{id, ack})
	}
	s.mu.Unlock()
	if known && ack != nil {
		ack() // the chat's rows are read again anyway
		return
	}
	s.nudge()
}

func (s *Stage[T, R]) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// receive takes rings while there are free slots for their tasks.
func (s *Stage[T, R]) receive(ctx context.Context) {
	for ctx.Err() == nil {
		room := s.room()
		if room == 0 {
			sleep(ctx, maxWindow)
			continue
		}
		err := s.rings.Receive(ctx, room, func(chats []int64, ack func()) {
			left := len(chats)
			var mu sync.Mutex
			for _, c := range chats {
				s.want(c, func() {
					mu.Lock()
					defer mu.Unlock()
					if left--; left == 0 {
						ack()
					}
				})
			}
		})
		if err != nil && ctx.Err() == nil {
			s.log.Debug("rings can't be heard: the sweep finds what they tell of", zap.Error(err))
			sleep(ctx, retryMax)
		}
	}
}

// room returns the number of slots that are neither taken nor needed by wanted chats.
func (s *Stage[T, R]) room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(cap(s.slots)-len(s.slots)-len(s.wanted), 0)
}

// claimLoop claims the next rows of wanted chats, in batches.
func (s *Stage[T, R]) claimLoop(ctx context.Context) {
	var last statement
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		for ctx.Err() == nil {
			if wait := last.window(); wait > 0 {
				sleep(ctx, wait)
			}
			n := s.takeSlots(ctx)
			batch := s.takeWanted(n)
			for range n - len(batch) {
				<-s.slots
			}
			if len(batch) == 0 {
				break
			}
			s.claim(ctx, batch)
			last = last.next(len(batch))
		}
	}
}

// statement records when the last statement ended, and the rate of its rows.
type statement struct {
	ended time.Time
	// apart is the average time between its rows.
	apart time.Duration
}

// next returns the record of the following statement, which has just ended.
func (s statement) next(rows int) statement {
	now := time.Now()
	return statement{ended: now, apart: now.Sub(s.ended) / time.Duration(rows)}
}

// window returns how long to gather a batch after this statement: 0 if fewer than minBatch
// rows are expected within maxWindow, so that a single row doesn't wait. Batches make the
// mechanism cheap under load, because a statement costs much more than a row.
func (s statement) window() time.Duration {
	if s.apart*minBatch > maxWindow || time.Since(s.ended) >= 2*maxWindow {
		return 0
	}
	return maxWindow
}

// takeSlots waits for a free slot and then takes all free ones, up to maxBatch.
func (s *Stage[T, R]) takeSlots(ctx context.Context) (n int) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n = 1; n < maxBatch; n++ {
		select {
		case s.slots <- struct{}{}:
		default:
			return n
		}
	}
	return n
}

func (s *Stage[T, R]) takeWanted(n int) []want {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(n, len(s.wanted))
	batch := s.wanted[:n:n]
	if s.wanted = s.wanted[n:]; len(s.wanted) == 0 {
		s.wanted = nil
	}
	for _, w := range batch {
		s.chats[w.chat].again = false
	}
	return batch
}

// claim claims the next rows of chats, whose slots are taken, and starts the work.
func (s *Stage[T, R]) claim(ctx context.Context, batch []want) {
	chats := make([]int64, len(batch))
	for i, w := range batch {
		chats[i] = w.chat
	}
	var tasks []T
	err, since := errLease, time.Now()
	if s.holds() {
		// The end of the process doesn't interrupt the claim, so claimed rows are known and
		// can be released.
		err = s.bounded(context.WithoutCancel(ctx), func(ctx context.Context) (err error) {
			tasks, err = s.rows.Claim(ctx, chats)
			return err
		})
	}
	if err != nil {
		s.giveUp(batch)
		if ctx.Err() == nil {
			if !errors.Is(err, errLease) { // the lease logs this itself
				s.database.Note(err)
			}
			sleep(ctx, retryFirst)
		}
		return
	}
	s.database.Note(nil)
	for _, w := range batch {
		if w.ack != nil {
			w.ack()
		}
	}
	s.begin(ctx, tasks, since)
	s.leave(chats, tasks)
}

var errLease = errors.New("other processes don't see that this one lives")

// giveUp drops requests after a failed claim. The sweep finds their rows.
func (s *Stage[T, R]) giveUp(batch []want) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setBusy()
	for _, w := range batch {
		s.release(w.chat)
		<-s.slots
	}
}

// leave releases the chats for which there was no row to claim, and frees their slots.
func (s *Stage[T, R]) leave(chats []int64, tasks []T) {
	has := make(map[int64]bool, len(tasks))
	for _, t := range tasks {
		has[t.Chat()] = true
	}
	s.mu.Lock()
	for _, id := range chats {
		if !has[id] {
			s.release(id)
			<-s.slots
		}
	}
	s.mu.Unlock()
	s.nudge()
}

// release forgets a chat. If a ring came in the meantime, the chat is wanted again. The
// caller holds the lock.
func (s *Stage[T, R]) release(id int64) {
	c := s.chats[id]
	switch {
	case c.working:
		c.wanted = false
	case c.again:
		*c = chat{wanted: true}
		s.wanted = append(s.wanted, want{chat: id})
	default:
		delete(s.chats, id)
	}
}

// begin starts tasks whose slots are taken. They were claimed after since.
func (s *Stage[T, R]) begin(ctx context.Context, tasks []T, since time.Time) {
	if len(tasks) == 0 {
		return
	}
	s.mu.Lock()
	s.setBusy()
	for _, t := range tasks {
		c := s.chats[t.Chat()]
		c.wanted, c.working = false, true
		c.run++
	}
	s.mu.Unlock()
	all := &begun{}
	all.working.Add(int64(len(tasks)))
	for _, t := range tasks {
		s.start(ctx, func() {
			e := s.do(ctx, t, since.Add(s.cfg.Lease))
			e.begun = all
			all.working.Add(-1)
			s.ended <- e
		})
	}
}

// start runs a job on an idle goroutine if there is one, else on a new one, which stays
// until the context ends. Growing the stacks of new goroutines cost a sender a tenth of its
// time.
func (s *Stage[T, R]) start(ctx context.Context, job func()) {
	select {
	case s.jobs <- job:
		return
	default:
	}
	go func() {
		for {
			job()
			select {
			case job = <-s.jobs:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// setBusy makes the next sweep come soon. The caller holds the lock.
func (s *Stage[T, R]) setBusy() {
	s.busy = true
	select {
	case s.begun <- struct{}{}:
	default:
	}
}

// wasBusy reports whether anything was done since the last call, or is in work.
func (s *Stage[T, R]) wasBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	busy := s.busy || len(s.chats) > 0
	s.busy = false
	return busy
}

// sweepLoop sweeps every second while there is work, and every 15 seconds when idle.
func (s *Stage[T, R]) sweepLoop(ctx context.Context) {
	for ctx.Err() == nil {
		soon := s.sweep(ctx)
		sleep(ctx, sweepEvery)
		for idle := time.NewTimer(sweepEveryIdle - sweepEvery); !s.wasBusy() && !soon; {
			select {
			case <-s.begun: // the signal may be old
				sleep(ctx, sweepEvery)
			case <-idle.C:
				soon = true
			case <-ctx.Done():
				return
			}
		}
	}
}

// sweep runs one sweep. It reports whether the next one should follow soon.
func (s *Stage[T, R]) sweep(ctx context.Context) (soon bool) {
	if !s.holds() {
		return true
	}
	room, mine, since := s.room(), s.mine(), time.Now()
	var found Swept[T]
	err := s.bounded(context.WithoutCancel(ctx), func(ctx context.Context) (err error) {
		found, err = s.rows.Sweep(ctx, room, mine)
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			s.database.Note(err)
		}
		return true
	}
	s.takeOver(ctx, found.Taken, since)
	s.metrics.swept(s.cfg.Name, len(found.Taken), len(found.Due), found.Open, found.Oldest)
	for _, c := range found.Due {
		s.want(c, nil)
	}
	return found.Open > 0
}

// takeOver starts tasks that were taken over from other owners. If the process stops before
// a task has started, another process takes it over.
func (s *Stage[T, R]) takeOver(ctx context.Context, tasks []T, since time.Time) {
	for _, t := range tasks {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		// A ring in the meantime makes the claim loop look at the chat. It finds the row
		// claimed and releases the chat.
		for ctx.Err() == nil && !s.reserve(t.Chat()) {
			sleep(ctx, maxWindow)
		}
		if ctx.Err() != nil {
			<-s.slots
			return
		}
		s.begin(ctx, []T{t}, since)
	}
}

// reserve registers a chat, unless it is wanted or in work already.
func (s *Stage[T, R]) reserve(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chats[id] != nil {
		return false
	}
	s.chats[id] = &chat{}
	return true
}

// mine returns the chats that this process works on.
func (s *Stage[T, R]) mine() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.AppendSeq(make([]int64, 0, len(s.chats)), maps.Keys(s.chats)) // never nil, because nil becomes NULL
}

// bounded runs a statement with a time-out.
func (*Stage[T, R]) bounded(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	return do(ctx)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
