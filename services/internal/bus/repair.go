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
	// repairEvery is the minimum time between two repairs by this process.
	repairEvery   = time.Second
	repairTimeout = 10 * time.Second
)

// repairs records this process' last repair.
type repairs struct {
	mu   sync.Mutex
	last time.Time
}

// Ensure creates missing streams and consumers, and returns an error unless all have the
// settings that this build needs. Services call it at the start, so a NATS server that has
// lost its memory or disk needs no manual repair. Many processes may call it concurrently.
func (b *Bus) Ensure(ctx context.Context) error {
	if err := b.Restore(ctx); err != nil {
		return err
	}
	return b.Verify(ctx)
}

// Restore creates missing streams and consumers. It doesn't change existing ones, so no
// build undoes what another one has declared.
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
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // created by another process
			s, err = b.js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return nil, refusal("stream "+want.Name, err)
	}
	return s.CachedInfo(), nil
}

// restoreConsumers creates the missing consumers of a stream.
func (b *Bus) restoreConsumers(ctx context.Context, of *jetstream.StreamInfo) error {
	for _, q := range queues() {
		if q.Stream != of.Config.Name {
			continue
		}
		// An existing consumer with other settings stays; Verify checks it.
		if _, err := b.js.CreateConsumer(ctx, q.Stream, q.consumer()); err != nil && !errors.Is(err, jetstream.ErrConsumerExists) {
			return refusal(fmt.Sprintf("consumer %s of %s", q.Name, q.Stream), err)
		}
	}
	return nil
}

// repair restores missing streams and consumers after an error that says that some are
// missing: the server was wiped, or somebody deleted them. One goroutine repairs at a time.
// The others don't wait for it; their next try succeeds.
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

// isMissing reports whether an error says that a stream or consumer doesn't exist.
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
