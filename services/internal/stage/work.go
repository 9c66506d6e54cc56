package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
)

// commitLoop stores the results of tasks until all have ended. Tasks that it claims get
// ctx. After committing has ended, each write is tried only once.
func (s *Stage[T, R]) commitLoop(ctx, committing, all context.Context) {
	var last statement
	for {
		batch := s.gather(all, last.window)
		if len(batch) == 0 {
			return
		}
		var good []End[T, R]
		for _, e := range batch {
			if e.err == nil {
				good = append(good, End[T, R]{Task: e.task, Result: e.result, Last: s.last(ctx, e.task)})
			} else {
				// This blocks while the database is away, and must not delay the others.
				go s.failed(ctx, committing, e)
			}
		}
		if len(good) > 0 {
			s.commit(ctx, committing, good)
		}
		last = last.next(len(batch))
	}
}

// gather waits for an ended task, and then gathers more for the length of the window. It
// also waits, up to maxWindow, for tasks that were claimed by the same statement: most of
// them end at nearly the same time, and then one statement stores them and claims their
// successors.
func (s *Stage[T, R]) gather(ctx context.Context, window func() time.Duration) []ended[T, R] {
	select {
	case s.gathering <- struct{}{}:
		defer func() { <-s.gathering }()
	case <-ctx.Done():
		return nil
	}
	var batch []ended[T, R]
	select {
	case e := <-s.ended:
		batch = append(batch, e)
	case <-ctx.Done():
		return nil
	}
	wait, over := window(), false
	timer := time.NewTimer(cmp.Or(wait, maxWindow))
	defer timer.Stop()
	for len(batch) < maxBatch {
		select {
		case e := <-s.ended:
			batch = append(batch, e)
			continue
		default:
		}
		if over || wait == 0 && !slices.ContainsFunc(batch, ended[T, R].awaitsOthers) {
			break
		}
		select {
		case e := <-s.ended:
			batch = append(batch, e)
		case <-timer.C:
			over = true
		}
	}
	return batch
}

// awaitsOthers reports whether tasks of the same claim statement are still in work.
func (e ended[T, R]) awaitsOthers() bool { return e.begun.working.Load() > 0 }

// last reports whether the chat's next row must not be claimed.
func (s *Stage[T, R]) last(ctx context.Context, task T) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats[task.Chat()]
	c.again = false // the commit is going to read its rows
	return ctx.Err() != nil || c.run >= maxRun && len(s.wanted) > 0
}

// commit stores results, with retries, and starts the tasks that it has claimed.
func (s *Stage[T, R]) commit(ctx, committing context.Context, ends []End[T, R]) {
	var next []T
	var since time.Time
	err := s.persist(committing, func(ctx context.Context) (err error) {
		since = time.Now()
		next, err = s.rows.Commit(ctx, ends)
		return err
	})
	if err != nil && committing.Err() != nil {
		s.lose(ends)
		return
	}
	if err != nil && len(ends) > 1 {
		for _, e := range ends { // find the refused one
			s.commit(ctx, committing, []End[T, R]{e})
		}
		return
	}
	if err != nil {
		e := ends[0]
		s.failed(ctx, committing, ended[T, R]{task: e.Task, err: fail.AsPermanent(err)})
		return
	}
	s.metrics.ended(s.cfg.Name, resultDone, len(ends))
	s.begin(ctx, next, since)
	tasks := make([]Task, len(ends))
	for i, e := range ends {
		tasks[i] = e.Task
	}
	s.onEnded(tasks)
	s.finish(ctx, ends, next)
}

// lose gives up results that can't be stored. Other processes take the tasks over when
// their claims expire. Until then the chats stay marked as in work, so this process doesn't
// do the tasks again.
func (s *Stage[T, R]) lose(ends []End[T, R]) {
	for _, e := range ends {
		<-s.slots
		time.AfterFunc(s.cfg.Lease, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			c := s.chats[e.Task.Chat()]
			if c.working = false; !c.wanted {
				s.release(e.Task.Chat())
			}
		})
	}
}

// finish releases chats without a next task, and frees their slots.
func (s *Stage[T, R]) finish(ctx context.Context, ends []End[T, R], next []T) {
	has := make(map[int64]bool, len(next))
	for _, t := range next {
		has[t.Chat()] = true
	}
	s.mu.Lock()
	for _, e := range ends {
		if id := e.Task.Chat(); !has[id] {
			s.chats[id].again = (s.chats[id].again || e.Last) && ctx.Err() == nil
			s.idle(id)
		}
	}
	s.mu.Unlock()
	s.nudge()
}

// idle releases a chat and frees its slot. The caller holds the lock.
func (s *Stage[T, R]) idle(id int64) {
	c := s.chats[id]
	if c.working = false; !c.wanted {
		s.release(id)
	}
	<-s.slots
}

// failed releases a failed task or makes it a dead letter.
func (s *Stage[T, R]) failed(ctx, committing context.Context, e ended[T, R]) {
	until, dead, write := s.verdict(e, ctx.Err() != nil)
	err := s.persist(committing, write)
	if err != nil && committing.Err() == nil {
		// The claim expires by itself.
		s.log.Error("what became of a task can't be written down", zap.Int64("chat", e.task.Chat()), zap.NamedError("failure", e.err), zap.Error(err))
	}
	if dead && err == nil {
		s.onEnded([]Task{e.task})
	}
	s.mu.Lock()
	s.chats[e.task.Chat()].again = until.IsZero() && ctx.Err() == nil
	s.idle(e.task.Chat())
	s.mu.Unlock()
	s.nudge()
	if !until.IsZero() {
		s.wantAt(ctx, e.task.Chat(), until)
	}
}

// verdict decides what follows a failure: how to store it, whether the task is dead, and
// when it is tried again; zero means at once. No other code makes this decision.
func (s *Stage[T, R]) verdict(e ended[T, R], stopping bool) (until time.Time, dead bool, write func(context.Context) error) {
	later := (*laterError)(nil)
	class := fail.ClassOf(e.err)
	failures := e.failures
	if class == fail.Unavailable {
		failures = 0
	}
	switch {
	case errors.As(e.err, &later):
		s.metrics.ended(s.cfg.Name, resultLater, 1)
		return later.until, false, func(ctx context.Context) error { return s.rows.Defer(ctx, e.task, later.until, 0) }
	case class == fail.Shutdown && stopping:
		s.metrics.ended(s.cfg.Name, resultReturned, 1)
		return time.Time{}, false, func(ctx context.Context) error { return s.rows.Defer(ctx, e.task, time.Time{}, 0) }
	case class == fail.Permanent, failures > 0 && e.task.Attempts()+failures >= s.cfg.MaxAttempts:
		s.metrics.ended(s.cfg.Name, resultDead, 1)
		s.log.Error("dead letter", zap.Int64("chat", e.task.Chat()), zap.NamedError("reason", e.err))
		return time.Time{}, true, func(ctx context.Context) error { return s.rows.DeadLetter(ctx, e.task, e.err.Error()) }
	}
	s.outages.Note(e.err)
	s.metrics.ended(s.cfg.Name, resultLater, 1)
	until = s.now().Add(backoff(e.task.Attempts() + e.failures - 1))
	return until, false, func(ctx context.Context) error { return s.rows.Defer(ctx, e.task, until, failures) }
}

// wantAt requests a claim of the chat's next row at a given time.
func (s *Stage[T, R]) wantAt(ctx context.Context, chat int64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setBusy()
	if s.timers >= maxTimers {
		return
	}
	s.timers++
	time.AfterFunc(at.Sub(s.now()), func() {
		s.mu.Lock()
		s.timers--
		s.mu.Unlock()
		if ctx.Err() == nil {
			s.want(chat, nil)
		}
	})
}

// persist runs a write until it succeeds, the database refuses its data, or the context
// ends. Work can't be repeated, so its result must survive an outage of the database.
func (s *Stage[T, R]) persist(ctx context.Context, write func(context.Context) error) error {
	wait := retryFirst
	for {
		err := s.bounded(context.WithoutCancel(ctx), write)
		s.database.Note(err)
		if err == nil || ctx.Err() != nil || refused(err) {
			return err
		}
		sleep(ctx, wait)
		wait = min(2*wait, retryMax)
	}
}

// refused reports whether the database rejected the data: invalid values (class 22) or
// violated constraints (class 23).
// https://www.postgresql.org/docs/current/errcodes-appendix.html
func refused(err error) bool {
	said := (*pgconn.PgError)(nil)
	return errors.As(err, &said) && (said.Code[:2] == "22" || said.Code[:2] == "23")
}

// Later returns the error of a task that has to wait until a time. It doesn't count as a
// failure.
func Later(until time.Time) error { return &laterError{until} }

type laterError struct{ until time.Time }

func (e *laterError) Error() string {
	return "it has to wait until " + e.until.UTC().Format(time.TimeOnly)
}

// do works on a task, with retries in place, until it succeeds, the failure has to be
// stored, or the claim expires.
func (s *Stage[T, R]) do(ctx context.Context, task T, until time.Time) ended[T, R] {
	process := ctx
	ctx, cancel := context.WithDeadline(propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": task.Trace()}), until)
	defer cancel()
	began := time.Now()
	defer func() { s.metrics.worked(s.cfg.Name, time.Since(began)) }()
	for attempt := task.Attempts(); ; attempt++ {
		result, err := s.traced(ctx, task)
		if err == nil {
			s.outages.Note(nil)
			return ended[T, R]{task: task, result: result}
		}
		failed := ended[T, R]{task: task, err: err, failures: attempt - task.Attempts() + 1}
		later := (*laterError)(nil)
		if process.Err() != nil && fail.ClassOf(err) != fail.Permanent && !errors.As(err, &later) {
			return ended[T, R]{task: task, err: process.Err()} // the process is stopping, whatever err says
		}
		if errors.As(err, &later) || ctx.Err() != nil || fail.ClassOf(err) == fail.Permanent || attempt+1 >= s.cfg.MaxAttempts {
			return failed
		}
		s.outages.Note(err)
		s.metrics.retried(s.cfg.Name)
		wait := backoff(attempt)
		if wait > s.cfg.MaxWait {
			return failed
		}
		sleep(ctx, wait)
	}
}

// backoff returns the wait after a number of failures, with full jitter.
func backoff(attempts int) time.Duration {
	const first, longest = 200 * time.Millisecond, 15 * time.Second
	bound := longest
	if attempts < 7 {
		bound = min(first<<attempts, longest)
	}
	return first/2 + time.Duration(rand.Int64N(int64(bound)))
}

// traced does a task in a span that continues the trace of the row's creator.
func (s *Stage[T, R]) traced(ctx context.Context, task T) (R, error) {
	ctx, span := s.tracer.Start(ctx, s.cfg.Name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.Int64("chorus.chat", task.Chat()), attribute.Int("chorus.attempts", task.Attempts())))
	defer span.End()
	result, err := s.guarded(ctx, task)
	if err != nil {
		span.SetStatus(codes.Error, strings.ToValidUTF8(err.Error(), "�"))
	}
	return result, err
}

// guarded turns a panic into an error, so that one bad row becomes a dead letter and
// doesn't crash the process.
func (s *Stage[T, R]) guarded(ctx context.Context, task T) (result R, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a task panicked", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			err = fail.AsPermanent(fmt.Errorf("it panicked: %v", p))
		}
	}()
	return s.work(ctx, task)
}
