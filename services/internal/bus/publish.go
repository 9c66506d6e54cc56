package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// ContentType is the content type of every message.
const ContentType = "application/x-protobuf"

const (
	headerContentType = "Content-Type"
	headerTraceParent = "traceparent"
)

// Message is one message to publish.
type Message struct {
	Subject string
	// ID lets the bus drop a repetition within its window.
	ID string
	// TraceParent is the W3C trace context; empty for none.
	TraceParent string
	Payload     []byte
}

func (m Message) nats() *nats.Msg {
	out := nats.NewMsg(m.Subject)
	out.Data = m.Payload
	out.Header.Set(headerContentType, ContentType)
	out.Header.Set(jetstream.MsgIDHeader, m.ID)
	if m.TraceParent != "" {
		out.Header.Set(headerTraceParent, m.TraceParent)
	}
	return out
}

// publishTimeout bounds the wait for the bus's word that a batch is stored.
const publishTimeout = 5 * time.Second

// Publish puts messages on the bus, all under way at once, and returns their
// sequences in order, 0 where one was not stored, with the first error and how
// many there were. A message with an error may have been stored all the same.
func (b *Bus) Publish(ctx context.Context, messages ...Message) ([]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	sequences := make([]uint64, len(messages))
	acks := make([]jetstream.PubAckFuture, len(messages))
	var failed failures
	for i, m := range messages {
		ack, err := b.js.PublishMsgAsync(m.nats(), jetstream.WithRetryAttempts(0))
		if err != nil {
			failed.add(m, err)
			continue
		}
		acks[i] = ack
	}
	for i, ack := range acks {
		if ack == nil {
			continue
		}
		select {
		case stored := <-ack.Ok():
			sequences[i] = stored.Sequence
		case err := <-ack.Err():
			failed.add(messages[i], err)
		case <-ctx.Done():
			failed.add(messages[i], ctx.Err())
		}
	}
	b.repair(ctx, failed.first)
	return sequences, failed.err()
}

// failures is why messages of a batch were not published. They mostly fail
// together and for one reason, which is not worth a line for each.
type failures struct {
	first error
	n     int
}

func (f *failures) add(m Message, err error) {
	if f.n++; f.first == nil {
		f.first = fmt.Errorf("publish %s: %w", m.Subject, err)
	}
}

func (f *failures) err() error {
	if f.n < 2 {
		return f.first
	}
	return fmt.Errorf("%w (and %d more)", f.first, f.n-1)
}

// Stored is where the bus put a message.
type Stored struct {
	Sequence uint64
	ID       string
}

// lookUps bounds the requests under way while messages are looked for. One after
// the other they would take longer than publishTimeout on a distant bus.
const lookUps = 64

// Held tells, for each message, whether a stream still stores it. A work queue
// deletes what is acknowledged, so an open row whose message is not held was
// lost by the bus. A stream that is gone holds nothing.
func (b *Bus) Held(ctx context.Context, stream string, want []Stored) ([]bool, error) {
	held := make([]bool, len(want))
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	s, err := b.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return held, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", stream, err)
	}
	last := s.CachedInfo().State.LastSeq
	looking, ctx := errgroup.WithContext(ctx)
	looking.SetLimit(lookUps)
	for i, w := range want {
		if w.Sequence > last {
			continue // the stream was made anew
		}
		looking.Go(func() error {
			m, err := s.GetMsg(ctx, w.Sequence)
			if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
				return fmt.Errorf("look for message %d of %s: %w", w.Sequence, stream, err)
			}
			held[i] = err == nil && m.Header.Get(jetstream.MsgIDHeader) == w.ID
			return nil
		})
	}
	if err := looking.Wait(); err != nil {
		return nil, err
	}
	return held, nil
}

// Last is the message that a stream stores last under a subject; the zero Stored
// if there is none.
func (b *Bus) Last(ctx context.Context, stream, subject string) (Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	s, err := b.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Stored{}, nil
	}
	if err != nil {
		return Stored{}, fmt.Errorf("look at stream %s: %w", stream, err)
	}
	m, err := s.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Stored{}, nil
	}
	if err != nil {
		return Stored{}, fmt.Errorf("look at the last message of %s: %w", subject, err)
	}
	return Stored{Sequence: m.Sequence, ID: m.Header.Get(jetstream.MsgIDHeader)}, nil
}

// Erase deletes messages of a stream and writes over them, so that nothing of
// them is left. Those that are gone already are no error.
func (b *Bus) Erase(ctx context.Context, stream string, sequences ...uint64) error {
	if len(sequences) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	s, err := b.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", stream, err)
	}
	erasing, ctx := errgroup.WithContext(ctx)
	erasing.SetLimit(lookUps)
	for _, sequence := range sequences {
		erasing.Go(func() error {
			err := s.SecureDeleteMsg(ctx, sequence)
			if err == nil {
				return nil
			}
			// Why it failed is told in words only, so it is looked whether it is gone.
			if _, gone := s.GetMsg(ctx, sequence); errors.Is(gone, jetstream.ErrMsgNotFound) {
				return nil
			}
			return fmt.Errorf("erase message %d of %s: %w", sequence, stream, err)
		})
	}
	return erasing.Wait()
}
