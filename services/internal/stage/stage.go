// Package stage works on the rows of one stage of the pipeline: texts to write,
// messages to send, people's messages to answer.
//
// Whoever commits a row rings for its chat. Whoever hears the ring claims the chat's
// next open row, works on it, and writes down what came of it with the statement that
// claims the chat's next one. A sweep finds what nobody has claimed: lost rings, rows
// whose time has come, claims of owners that are dead. So the rows alone decide what is
// done, in which order, and by whom; a ring that is lost costs time, and one too many
// costs a look.
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

// Task is a row that is claimed.
type Task interface {
	// Chat is the chat that the row belongs to. A stage works on one row of a chat at a
	// time.
	Chat() int64
	// Attempts is how often the task has failed.
	Attempts() int
	// Trace is the W3C trace context of whoever made the row; empty for none.
	Trace() string
}

// Rows are the rows of a stage. Their methods are called concurrently. Errors mean that
// nothing was changed, or that nobody knows; each method may be called again then.
type Rows[T Task, R any] interface {
	// Claim claims the next open row of each chat, where that is free and due.
	Claim(ctx context.Context, chats []int64) ([]T, error)
	// Commit writes down what tasks have led to and claims the next rows of their chats,
	// but for those of an end with Last. It leaves out tasks that others have taken over.
	Commit(ctx context.Context, ends []End[T, R]) (next []T, err error)
	// Defer gives a claim back. The row may be claimed again from an instant on; a zero
	// time is at once. Failures are added to the task's attempts.
	Defer(ctx context.Context, task T, until time.Time, failures int) error
	// DeadLetter ends a task that can't be done as a dead letter.
	DeadLetter(ctx context.Context, task T, reason string) error
	// Sweep looks for what nobody works on. It takes over up to limit tasks, none of the
	// chats that this process looks after. So it also finds claims of this process that it
	// does not know of, because the answer of a statement was lost.
	Sweep(ctx context.Context, limit int, mine []int64) (Swept[T], error)
}

// End is what a task has led to.
type End[T Task, R any] struct {
	Task   T
	Result R
	// Last claims no next row: the chat must wait for others, or the process ends.
	Last bool
}

// Swept is what a sweep has found.
type Swept[T Task] struct {
	// Taken are tasks of owners that are dead, or that have had them for too long. They
	// are claimed by this process now.
	Taken []T
	// Due are chats whose next row is due and free.
	Due []int64
	// Open is how many rows are open, whoever has them, and Oldest how long the oldest of
	// them has been.
	Open   int
	Oldest time.Duration
}

// Work does a task. The context ends when the process stops or the claim does. An error
// is sorted by package fail: Permanent ones end the task as a dead letter, others have it
// done again later. Later says when. Whatever the error, the end of the process gives the
// task back.
type Work[T Task, R any] func(ctx context.Context, task T) (R, error)

// Rings brings chats that have something to do.
type Rings interface {
	// Receive waits for rings, of about n chats at most, and gives them one by one.
	// It returns after a while, or when the context ends. Whoever has got a ring calls its
	// ack when it is no longer needed.
	Receive(ctx context.Context, n int, ring func(chats []int64, ack func())) error
}

// Config is how a stage works.
type Config struct {
	Name string
	// MaxInFlight is how many tasks are worked on at a time.
	MaxInFlight int
	// MaxAttempts is how many failures end a task.
	MaxAttempts int
	// MaxWait is how long a failed task is retried in place. Longer waits are written down.
	MaxWait time.Duration
	// Lease is how long a claim holds, unless its owner dies before.
	Lease time.Duration
	// Grace is how long tasks in work may take to end when the process stops.
	Grace time.Duration
}

const (
	// maxBatch is how many rows one statement is about.
	maxBatch = 200
	// maxWindow is how long a batch is gathered while statements follow each other, see
	// window. On two busy cores 5 ms carried 470 to 500 turns/s where 1.5 ms carried 320 to
	// 380, and 10 ms 420.
	maxWindow = 5 * time.Millisecond
	// worth is how many rows must be expected in a window for it to be awaited.
	worth = 2
	// commits is how many statements that end tasks are under way at a time.
	commits = 2
	// maxRun is how many rows of a chat are done in a row while other chats wait.
	maxRun = 20
	// maxTimers bounds the rows whose time this process awaits. A sweep finds the others.
	maxTimers = 10_000

	sweepEvery     = time.Second
	sweepEveryIdle = 15 * time.Second

	retryFirst = 50 * time.Millisecond
	retryMax   = 2 * time.Second
)

// Stage does the tasks of one stage. Its methods are safe for concurrent use, but one Run
// at a time.
type Stage[T Task, R any] struct {
	cfg      Config
	rows     Rows[T, R]
	rings    Rings
	work     Work[T, R]
	holds    func() bool // the process' lease
	now      func() time.Time
	tracer   trace.Tracer
	log      *zap.Logger
	outages  *outage.Log // of the work
	database *outage.Log
	metrics  *Metrics
	told     func([]Task)

	slots chan struct{} // one for each task in work
	jobs  chan func()   // for idle goroutines
	ended chan ended[T, R]
	// gathering has whoever gathers what has ended: two would get half of it each.
	gathering chan struct{}

	mu     sync.Mutex
	chats  map[int64]*chat // those that are wanted or worked on
	wanted []want
	wake   chan struct{} // there is a wanted chat
	timers int
	busy   bool          // something was done since the last sweep
	begun  chan struct{} // wakes the sweep after something was done
}

// chat is one that this process looks after.
type chat struct {
	wanted  bool // it waits to be looked at, or is being looked at
	working bool // this process has a task of it
	// again tells that it was rung for since the last statement that looked at its rows.
	again bool
	run   int // tasks done in a row
}

// want is a chat to look at, with the ring that told of it.
type want struct {
	chat int64
	ack  func()
}

// ended is a task that is done with, or failed.
type ended[T Task, R any] struct {
	task   T
	result R
	err    error
	// failures are the attempts of this claim that failed.
	failures int
	begun    *begun
}

// begun are the tasks that one statement claimed.
type begun struct{ working atomic.Int64 }

// Deps is what a stage works with.
type Deps struct {
	Rings Rings
	// Holds tells whether other processes see that this one lives: while they don't,
	// nothing is claimed. Nil is always.
	Holds func() bool
	// Now is the clock of the rows' database, by which rows wait; nil for this process'.
	Now     func() time.Time
	Tracer  trace.Tracer // nil for no traces
	Metrics *Metrics     // nil for none
	// Ended is told of tasks whose ends are committed, dead letters too; nil for nobody. It
	// must not wait.
	Ended func([]Task)
	Log   *zap.Logger
}

// New makes a stage.
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
		cfg: cfg, rows: rows, rings: deps.Rings, work: work, holds: deps.Holds, now: deps.Now, tracer: deps.Tracer, metrics: deps.Metrics, told: deps.Ended, log: log,
		outages:  outage.New(log, "tasks fail, and are tried again", "tasks are done again"),
		database: outage.New(log, "nothing can be claimed or written down", "tasks are claimed and written down again").Except(store.Away),
		slots:    make(chan struct{}, cfg.MaxInFlight), jobs: make(chan func()), ended: make(chan ended[T, R], cfg.MaxInFlight), gathering: make(chan struct{}, 1),
		chats: map[int64]*chat{}, wake: make(chan struct{}, 1), begun: make(chan struct{}, 1),
	}
}

// Run works until the context ends. Then it claims no more, waits until the tasks in
// work have ended, as their context has, and writes down what came of them. It may be
// run again after it has returned.
func (s *Stage[T, R]) Run(ctx context.Context) error {
	committing, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	// What can't be written down for so long is another's to find.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(s.cfg.Grace+store.Timeout, giveUp) })()
	all, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var committers errgroup.Group
	for range commits {
		committers.Go(func() error { s.commitLoop(ctx, committing, all); return nil })
	}
	s.nudge() // the run before may have ended with chats that it wanted
	var loops errgroup.Group
	loops.Go(func() error { s.receive(ctx); return nil })
	loops.Go(func() error { s.claimLoop(ctx); return nil })
	loops.Go(func() error { s.sweepLoop(ctx); return nil })
	_ = loops.Wait() // they return no errors
	for range cap(s.slots) {
		s.slots <- struct{}{} // every task has ended
	}
	stop()
	err := committers.Wait()
	for range cap(s.slots) {
		<-s.slots
	}
	return err
}

// want has the stage look at a chat. It never blocks.
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
		ack() // whoever works on the chat looks again
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

// receive takes rings while there is room for their tasks.
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

// room is for how many chats there are slots that nobody waits for.
func (s *Stage[T, R]) room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(cap(s.slots)-len(s.slots)-len(s.wanted), 0)
}

// claimLoop claims the rows of wanted chats.
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

// statement is one that has ended.
type statement struct {
	ended time.Time
	// apart is how far apart its rows came.
	apart time.Duration
}

// next is the statement after this one, which has just ended.
func (s statement) next(rows int) statement {
	now := time.Now()
	return statement{ended: now, apart: now.Sub(s.ended) / time.Duration(rows)}
}

// window is how long a batch is gathered after a statement: only where more are coming
// that are worth it. It is nearly all that makes the mechanism cheap under load, because a
// statement costs much more than a row. 0 is not at all: whoever comes alone waits for
// nobody.
func (s statement) window() time.Duration {
	if s.apart*worth > maxWindow || time.Since(s.ended) >= 2*maxWindow {
		return 0
	}
	return maxWindow
}

// takeSlots waits for a slot and takes all that are free, up to a batch.
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

// claim claims what it can of wanted chats, whose slots are taken, and works on it.
func (s *Stage[T, R]) claim(ctx context.Context, batch []want) {
	chats := make([]int64, len(batch))
	for i, w := range batch {
		chats[i] = w.chat
	}
	var tasks []T
	err, since := errLease, time.Now()
	if s.holds() {
		// Not even the end of the process interrupts it: what it claims is given back then.
		err = s.bounded(context.WithoutCancel(ctx), func(ctx context.Context) (err error) {
			tasks, err = s.rows.Claim(ctx, chats)
			return err
		})
	}
	if err != nil {
		s.giveUp(batch)
		if ctx.Err() == nil {
			if !errors.Is(err, errLease) { // the lease tells of that itself
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

// giveUp leaves chats to the sweep after a claim that failed.
func (s *Stage[T, R]) giveUp(batch []want) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setBusy()
	for _, w := range batch {
		s.release(w.chat)
		<-s.slots
	}
}

// leave ends the look at chats but for those that have a task, and frees their slots.
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

// release ends a look at a chat, unless it was rung for meanwhile: then it is looked at
// once more. The caller has the lock.
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

// begin works on tasks whose slots are taken, and which were claimed after an instant.
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

// start has a job done by a goroutine that has done another, if one is idle, until the
// context ends: a new one's stack has to grow first, which cost a sender a tenth of its
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

// setBusy has the next sweep come soon. The caller has the lock.
func (s *Stage[T, R]) setBusy() {
	s.busy = true
	select {
	case s.begun <- struct{}{}:
	default:
	}
}

// wasBusy tells whether something was done since it was asked last, or is being done.
func (s *Stage[T, R]) wasBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	busy := s.busy || len(s.chats) > 0
	s.busy = false
	return busy
}

// sweepLoop looks for what nobody works on. While nothing is done, it sleeps between two
// looks.
func (s *Stage[T, R]) sweepLoop(ctx context.Context) {
	for ctx.Err() == nil {
		soon := s.sweep(ctx)
		sleep(ctx, sweepEvery)
		for idle := time.NewTimer(sweepEveryIdle - sweepEvery); !s.wasBusy() && !soon; {
			select {
			case <-s.begun: // perhaps long ago
				sleep(ctx, sweepEvery)
			case <-idle.C:
				soon = true
			case <-ctx.Done():
				return
			}
		}
	}
}

// sweep looks once. It tells whether it is worthwhile to look again soon.
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

// takeOver works on tasks that were taken from others. Those that are not begun when the
// process ends are taken by others in turn.
func (s *Stage[T, R]) takeOver(ctx context.Context, tasks []T, since time.Time) {
	for _, t := range tasks {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		// A ring that came meanwhile has the chat looked at, in vain: its row is taken.
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

// reserve enters a chat, unless it is looked at or worked on already.
func (s *Stage[T, R]) reserve(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chats[id] != nil {
		return false
	}
	s.chats[id] = &chat{}
	return true
}

// mine are the chats that this process looks after.
func (s *Stage[T, R]) mine() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.AppendSeq(make([]int64, 0, len(s.chats)), maps.Keys(s.chats)) // never nil, which is NULL
}

// bounded makes a statement with a time-out.
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
