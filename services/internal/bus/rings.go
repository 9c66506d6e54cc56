package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
)

const (
	// ringChats limits the chats of one ring. Many chats in one message keep the bus cheap;
	// the limit spreads them over several workers.
	ringChats = 32
	// receiveFor is the length of one fetch.
	receiveFor = 9 * time.Second
)

// Ring tells the workers of a queue that chats have rows to work on. It doesn't wait for
// the server, and the ring may be lost; then the sweep finds the rows.
func (b *Bus) Ring(q Queue, chats ...int64) {
	if len(chats) == 0 || !b.nc.IsConnected() {
		return
	}
	for len(chats) > 0 {
		n := min(len(chats), ringChats)
		payload, err := proto.Marshal(&chorusv1.Ring{Chats: chats[:n]})
		if err == nil {
			_, err = b.js.PublishAsync(q.Subject, payload, jetstream.WithRetryAttempts(0))
		}
		if err != nil {
			b.log.Debug("a ring was lost", zap.String("queue", q.Name), zap.Error(err))
			return
		}
		chats = chats[n:]
	}
}

// Rings receives the rings of a queue for one worker.
type Rings struct {
	bus   *Bus
	queue Queue
	// durable is the consumer, kept after a fetch that returned rings. A fetch from a
	// deleted consumer returns neither rings nor an error, so after an empty fetch the
	// consumer is looked up again.
	durable jetstream.Consumer
}

// Rings returns the receiver of a queue's rings for one worker.
func (b *Bus) Rings(q Queue) *Rings { return &Rings{bus: b, queue: q} }

// Receive waits up to 9 seconds for rings of about n chats, and passes each on as it
// arrives. It creates the stream and the consumer if they are missing. It must not be
// called concurrently.
func (r *Rings) Receive(ctx context.Context, n int, ring func(chats []int64, ack func())) error {
	err := r.receive(ctx, n, ring)
	if err != nil && ctx.Err() == nil {
		r.bus.repair(ctx, err)
	}
	return err
}

func (r *Rings) receive(ctx context.Context, n int, ring func(chats []int64, ack func())) error {
	if err := r.bus.Ready(ctx); err != nil {
		return err
	}
	durable := r.durable
	if r.durable = nil; durable == nil {
		looking, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		var err error
		if durable, err = r.bus.js.Consumer(looking, r.queue.Stream, r.queue.Name); err != nil {
			return fmt.Errorf("look for the consumer %s: %w", r.queue.Name, err)
		}
	}
	waiting, end := context.WithTimeout(ctx, receiveFor)
	defer end()
	batch, err := durable.Fetch((n+ringChats-1)/ringChats, jetstream.FetchContext(waiting))
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	for m := range batch.Messages() {
		r.durable = durable
		var told chorusv1.Ring
		if err := proto.Unmarshal(m.Data(), &told); err != nil || len(told.GetChats()) == 0 {
			_ = m.Ack() // it is empty or unreadable
			continue
		}
		ring(told.GetChats(), func() { _ = m.Ack() }) // an unacknowledged ring comes again, which only costs a query
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		r.durable = nil
		return fmt.Errorf("fetch: %w", err)
	}
	return nil
}

// lookTimeout limits the look-up of the consumer. A request that was lost with its
// connection is never answered.
const lookTimeout = 2 * time.Second

// Tell tells live followers what was committed. It doesn't wait for the server, and nothing
// depends on it: the rows are the truth.
func (b *Bus) Tell(subject string, event *chorusv1.Event) {
	if len(event.GetTurns())+len(event.GetChats()) == 0 || !b.nc.IsConnected() {
		return
	}
	payload, err := proto.Marshal(event)
	if err == nil {
		err = b.nc.Publish(subject, payload)
	}
	if err != nil {
		b.log.Debug("live followers were not told", zap.String("subject", subject), zap.Error(err))
	}
}
