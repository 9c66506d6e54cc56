package stage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
)

// Later is the error of a task that has to wait until an instant. It is no failure.
func Later(until time.Time) error { return &laterError{until} }

type laterError struct{ until time.Time }

func (e *laterError) Error() string {
	return "it has to wait until " + e.until.UTC().Format(time.TimeOnly)
}

// do works on a task until there is a result or an error that retries in place don't
// mend, or its claim ends.
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
			return ended[T, R]{task: task, err: process.Err()} // whatever it says, that is why
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

// backoff is how long to wait after so many failures, with full jitter.
func backoff(attempts int) time.Duration {
	const first, longest = 200 * time.Millisecond, 15 * time.Second
	bound := longest
	if attempts < 7 {
		bound = min(first<<attempts, longest)
	}
	return first/2 + time.Duration(rand.Int64N(int64(bound)))
}

// traced does a task in a span that continues the trace of whoever made its row.
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

// guarded turns a panic into an error, so that one bad row ends as a dead letter and
// not as a crash that takes every other one along.
func (s *Stage[T, R]) guarded(ctx context.Context, task T) (result R, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a task panicked", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			err = fail.AsPermanent(fmt.Errorf("it panicked: %v", p))
		}
	}()
	return s.work(ctx, task)
}
