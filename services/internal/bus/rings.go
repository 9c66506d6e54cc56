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
	// ringChats is how many chats a ring tells of at most. One message for many is what
	// keeps the bus cheap; few enough, so that several workers get their part.
	ringChats = 32
	// receiveFor is how long a worker waits for rings before it asks anew.
	receiveFor = 9 * time.Second
)

// Ring tells the workers of a queue that chats have something to do. It does not wait
// for the bus, and a ring may be lost: the rows are the truth, and a sweep finds them.
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

// Rings are the rings of a queue as one worker hears them.
type Rings struct {
	bus   *Bus
	queue Queue
	// durable is the consumer, while it brings rings. One that is gone brings nothing and
	// tells of nothing, so it is looked for after that.
	durable jetstream.Consumer
}

// Rings gives a worker the rings of a queue.
func (b *Bus) Rings(q Queue) *Rings { return &Rings{bus: b, queue: q} }

// Receive waits up to some seconds for rings of about n chats, and gives each as it
// comes. It makes the stream and the consumer where they are missing. It is called once at
// a time.
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
			_ = m.Ack() // it tells of nothing
			continue
		}
		ring(told.GetChats(), func() { _ = m.Ack() }) // else it comes again, and costs a look
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		r.durable = nil
		return fmt.Errorf("fetch: %w", err)
	}
	return nil
}

// lookTimeout bounds the look for a consumer. A request that a lost connection took
// along is never answered.
const lookTimeout = 2 * time.Second

// Tell tells live followers what was committed. It does not wait for the bus, and nothing
// depends on it: who is not told finds the rows.
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
