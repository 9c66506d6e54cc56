package bus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
	"unicode"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/fail"
)

const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 15 * time.Second
	// A message that was given out this often without an end kills its readers.
	maxDeliveries = 100
)

// settle is the one place where the outcome of a handler becomes an
// acknowledgement, a hand-back or a dead letter.
func (c *Consumer[T]) settle(ctx context.Context, d *delivery) {
	attempts, err := c.attempt(ctx, d)
	verdict := verdictDone
	switch {
	case err == nil:
		if err = d.Ack(); err == nil {
			c.outages.Note(nil)
		}
	case errors.Is(err, ErrLapsed):
		verdict, err = verdictLapsed, nil
	case fail.ClassOf(err) == fail.Shutdown || ctx.Err() != nil:
		verdict, err = verdictHandedBack, d.Nak()
	default:
		verdict, err = verdictDead, c.bury(ctx, d, attempts, err)
	}
	c.metrics.settled(c.group.Name, verdict)
	if err != nil {
		// The message comes back after the ack wait, and finds its effect done.
		c.outages.Note(err)
		c.logOf(d).Debug("a message was not settled", zap.String("verdict", verdict), zap.Error(err))
	}
}

// attempt runs the handler until it succeeds, fails for good, or has failed too
// often. What it stands on may be away for as long as it likes: that is no failure
// of the message. Retries happen in place: a hand-back would let later messages of the
// chat overtake, and a delayed one would use up the consumer's budget.
func (c *Consumer[T]) attempt(ctx context.Context, d *delivery) (attempts int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if d.meta.NumDelivered > maxDeliveries {
		return 0, fail.AsPermanent(fmt.Errorf("given out %d times without an end", d.meta.NumDelivered))
	}
	message, err := decode[T](d.Data())
	if err != nil {
		return 0, err
	}
	failed := 0 // attempts that say something about the message
	retry := retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool {
			if errors.Is(err, ErrLapsed) {
				return false
			}
			switch fail.ClassOf(err) {
			case fail.Permanent, fail.Shutdown:
				return false
			case fail.Unavailable:
				return err != nil
			case fail.Transient, fail.Throttled:
			}
			return err != nil && failed < c.bus.cfg.MaxAttempts
		}).
		WithBackoff(retryFirst, retryMost).
		WithJitterFactor(0.5).
		WithDelayFunc(func(exec failsafe.ExecutionAttempt[any]) time.Duration {
			if delay := fail.Delay(exec.LastError()); delay > 0 {
				return delay
			}
			return -1 // the backoff
		}).
		WithMaxAttempts(-1).
		ReturnLastFailure().
		OnRetry(func(e failsafe.ExecutionEvent[any]) {
			c.metrics.retried(c.group.Name)
			c.outages.Note(e.LastError())
			c.logOf(d).Debug("trying a message again", zap.Int("attempt", e.Attempts()), zap.Error(e.LastError()))
		}).
		Build()
	done := false
	err = failsafe.With(retry).WithContext(ctx).Run(func() error {
		attempts++
		err := c.traced(context.WithValue(ctx, heldKey{}, holding{c.held, d, attempts}), d, func(ctx context.Context) error {
			return c.guarded(ctx, message)
		})
		done = err == nil
		if fail.ClassOf(err) != fail.Unavailable {
			failed++
		}
		return err
	})
	if done { // also if the context ended meanwhile, which Run reports instead
		return attempts, nil
	}
	return attempts, err
}

// guarded turns a handler's panic into an error, so that one bad message ends
// as a dead letter and not as a crash that takes every other one along.
func (c *Consumer[T]) guarded(ctx context.Context, message T) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("a handler panicked", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	return c.handle(ctx, message)
}

func decode[T proto.Message](data []byte) (T, error) {
	var zero T
	message, ok := zero.ProtoReflect().New().Interface().(T)
	if !ok {
		return zero, fail.AsPermanent(errors.New("the message has another type"))
	}
	if err := proto.Unmarshal(data, message); err != nil {
		return zero, fail.AsPermanent(fmt.Errorf("can't be decoded as %s: %w", message.ProtoReflect().Descriptor().Name(), err))
	}
	return message, nil
}

// bury makes the dead letter durable and only then takes the message off the
// stream. While that fails the message stays.
func (c *Consumer[T]) bury(ctx context.Context, d *delivery, attempts int, cause error) error {
	letter := &chorusv1.DeadLetter{
		Id:        fmt.Sprintf("%s-%d-%d", d.meta.Stream, d.meta.Timestamp.UnixMilli(), d.meta.Sequence.Stream),
		Stream:    d.meta.Stream,
		Subject:   readable(d.Subject()),
		MessageId: readable(d.Headers().Get(jetstream.MsgIDHeader)),
		Payload:   d.Data(),
		Reason:    readable(cause.Error()),
		Service:   c.group.Name,
		Attempts:  int32(max(attempts, 1)), //nolint:gosec // bounded by MaxAttempts
		FirstAt:   timestamppb.New(d.meta.Timestamp),
		Turn:      turnOf(d),
	}
	c.logOf(d).Error("dead letter", zap.String("id", letter.GetId()), zap.String("reason", letter.GetReason()))
	patient := retrypolicy.NewBuilder[any]().
		WithBackoff(retryFirst, retryMost).WithJitterFactor(0.5).WithMaxAttempts(-1).Build()
	err := failsafe.With(patient).WithContext(ctx).Run(func() error { return c.dead.Bury(ctx, letter) })
	if err != nil {
		return errors.Join(fmt.Errorf("bury: %w", err), d.Nak())
	}
	if err := d.TermWithReason(letter.GetReason()); err != nil {
		return fmt.Errorf("take a dead letter off its stream: %w", err)
	}
	return nil
}

// maxReadable bounds a text of a dead letter, in characters.
const maxReadable = 1000

// readable is a text that the database and the contract take, whatever it comes
// from: neither holds NULs, or what is no UTF-8.
func readable(s string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�")))
	if len(runes) > maxReadable {
		runes = append(runes[:maxReadable-1], '…')
	}
	return string(runes)
}

// turnOf reads the turn off the message id, which holds even where the payload
// is broken. A later publication of the same turn has a suffix. Other streams
// have message ids of other kinds.
func turnOf(d *delivery) *chorusv1.TurnId {
	if d.meta.Stream != subject.Turns && d.meta.Stream != subject.Deliveries {
		return nil
	}
	id, err := subject.ParseMessageID(d.Headers().Get(jetstream.MsgIDHeader))
	if err != nil {
		return nil
	}
	return id
}
