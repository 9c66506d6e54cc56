package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/chorus-cast/chorus/proto/subject"
)

// Writable returns an error unless each of the streams accepts a message now. It stores an
// empty message and deletes it. A ping wouldn't be enough: a stream may be full, and one
// that met a full disk refuses everything until NATS is restarted.
func (b *Bus) Writable(ctx context.Context, streams ...string) error {
	if err := b.Ready(ctx); err != nil {
		return err
	}
	errs := make([]error, len(streams))
	var probes errgroup.Group
	for i, name := range streams {
		probes.Go(func() error {
			errs[i] = b.probe(ctx, name)
			return nil
		})
	}
	_ = probes.Wait() // the errors are in errs
	return errors.Join(errs...)
}

// probeTimeout is shorter than the time-out of a readiness check, so that the check reports
// the reason. A stream that met a full disk doesn't respond.
const probeTimeout = 1500 * time.Millisecond

func (b *Bus) probe(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	s, err := b.js.Stream(ctx, name)
	if err != nil {
		b.repair(ctx, err)
		return fmt.Errorf("look at stream %s: %w", name, err)
	}
	if now := s.CachedInfo().TimeStamp; b.timed != nil && !now.IsZero() {
		b.timed(now)
	}
	ack, err := b.js.Publish(ctx, probeSubject(name), nil, jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("stream %s takes no messages: %w%s", name, err, advice(err))
	}
	// If this fails, the message expires, and nobody reads it.
	if err := s.DeleteMsg(ctx, ack.Sequence); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("delete a message of stream %s: %w", name, err)
	}
	return nil
}

// TellTime sets a function that is called with the server's time whenever a stream is
// looked up. It must be called before the bus is used. The function must be safe for
// concurrent use.
func (b *Bus) TellTime(timed func(time.Time)) { b.timed = timed }

// Time returns the server's time.
func (b *Bus) Time(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	s, err := b.js.Stream(ctx, subject.Turns)
	if err != nil {
		return time.Time{}, fmt.Errorf("look at stream %s: %w", subject.Turns, err)
	}
	return s.CachedInfo().TimeStamp, nil
}

// advice returns the remedy for a stream that refuses messages.
func advice(err error) string {
	said := (*jetstream.APIError)(nil)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return " (if NATS' disk is or was full, make room and restart NATS)"
	case errors.As(err, &said) && strings.Contains(said.Description, "maximum"):
		return " (its readers are too slow or away; nats.max_bytes is the bound)"
	case errors.As(err, &said):
		return " (NATS has no room, or met a full disk: make room, and restart it if this stays)"
	}
	return ""
}
