package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

const (
	// repairEvery is how often a process looks for what is missing at most.
	repairEvery   = time.Second
	repairTimeout = 10 * time.Second
)

// repairs is when this process looked last for what is missing.
type repairs struct {
	mu   sync.Mutex
	last time.Time
}

// Ensure makes the streams and consumers that are missing, and is an error unless
// all are as this build needs them. Services call it when they start: so a bus
// that lost its memory or its disk needs nobody to repair it. Any number of processes may
// call it at once.
func (b *Bus) Ensure(ctx context.Context) error {
	if err := b.Restore(ctx); err != nil {
		return err
	}
	return b.Verify(ctx)
}

// Restore makes the streams and consumers that are missing. It changes nothing
// that is there, so that no build undoes what another one has declared.
func (b *Bus) Restore(ctx context.Context) error {
	for _, want := range streams(b.cfg) {
		info, err := b.restoreStream(ctx, want)
		if err != nil {
			return err
		}
		if err := b.restoreConsumers(ctx, info); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) restoreStream(ctx context.Context, want jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	s, err := b.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = b.js.CreateStream(ctx, want)
		if err == nil {
			b.log.Info("stream made, because it was missing", zap.String("stream", want.Name))
		}
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process made it meanwhile
			s, err = b.js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return nil, refusal("stream "+want.Name, err)
	}
	return s.CachedInfo(), nil
}

// restoreConsumers makes the consumers of a stream that are missing.
func (b *Bus) restoreConsumers(ctx context.Context, of *jetstream.StreamInfo) error {
	for _, q := range queues() {
		if q.Stream != of.Config.Name {
			continue
		}
		// One that is there with other settings stays; Verify judges them.
		if _, err := b.js.CreateConsumer(ctx, q.Stream, q.consumer()); err != nil && !errors.Is(err, jetstream.ErrConsumerExists) {
			return refusal(fmt.Sprintf("consumer %s of %s", q.Name, q.Stream), err)
		}
	}
	return nil
}

// repair makes what is missing where an error says that something is: a wiped
// bus, or a stream or consumer that somebody deleted. One goroutine does so at a
// time. The others go on, and find it done when they try again.
func (b *Bus) repair(ctx context.Context, cause error) {
	if !isMissing(cause) || !b.repairs.mu.TryLock() {
		return
	}
	defer b.repairs.mu.Unlock()
	if time.Since(b.repairs.last) < repairEvery {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), repairTimeout)
	defer cancel()
	defer func() { b.repairs.last = time.Now() }()
	if err := b.Restore(ctx); err != nil {
		b.log.Debug("what the bus lacks could not be made", zap.NamedError("cause", cause), zap.Error(err))
		return
	}
	b.announce()
}

// isMissing tells whether an error is one of a bus without a stream or consumer.
func isMissing(err error) bool {
	for _, e := range []error{
		jetstream.ErrStreamNotFound, jetstream.ErrConsumerNotFound, jetstream.ErrConsumerDeleted, jetstream.ErrNoStreamResponse, nats.ErrNoResponders,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
