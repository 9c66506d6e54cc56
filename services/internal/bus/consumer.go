package bus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/lane"
)

// Handler does what a message asks for. It returns nil only once the effect is
// durable, and must bear being called again for the same message. Its errors
// are sorted by package fail: a permanent one makes a dead letter, any other is
// tried again in place, holding back only the messages of the same chat.
//
// The context ends when the consumer stops: waits should end with it, and what
// can't be interrupted should not use it.
type Handler[T proto.Message] func(ctx context.Context, message T) error

// Undertaker makes dead letters durable.
type Undertaker interface {
	Bury(ctx context.Context, letter *chorusv1.DeadLetter) error
}

// Consumer reads a group's partitions and hands each chat's messages to the
// handler one by one, in order; different chats are handled side by side.
//
// It holds at most MaxPending messages of a partition, and keeps them alive
// with in-progress acknowledgements, however long the handler takes.
type Consumer[T proto.Message] struct {
	bus     *Bus
	group   Group
	handle  Handler[T]
	dead    Undertaker
	log     *zap.Logger
	metrics *Metrics
	lanes   lane.Group[int64]

	mu   sync.Mutex
	held map[*delivery]struct{}
}

// delivery is one message in hand.
type delivery struct {
	jetstream.Msg
	meta *jetstream.MsgMetadata
}

// NewConsumer makes a consumer. It reads nothing until it is run.
func NewConsumer[T proto.Message](b *Bus, group Group, dead Undertaker, metrics *Metrics, handle Handler[T]) *Consumer[T] {
	return &Consumer[T]{
		bus: b, group: group, handle: handle, dead: dead, metrics: metrics,
		log:  b.log.With(zap.String("group", group.Name)),
		held: make(map[*delivery]struct{}),
	}
}

// Run reads until the context ends. Then it stops fetching, waits for the
// handlers (whose context has ended too), hands back what they did not finish,
// and returns. It returns an error if it can't begin.
func (c *Consumer[T]) Run(ctx context.Context) error {
	readers, err := c.readAll(ctx)
	stop := func() {
		for _, r := range readers {
			r.Drain()
		}
		for _, r := range readers {
			<-r.Closed()
		}
		c.lanes.Wait()
		c.release(context.WithoutCancel(ctx))
	}
	if err != nil {
		stop()
		if ctx.Err() != nil { // asked to stop while starting
			return nil //nolint:nilerr // see above
		}
		return err
	}
	var alive sync.WaitGroup
	beating, end := context.WithCancel(context.WithoutCancel(ctx))
	alive.Go(func() { c.keepAlive(beating) })
	<-ctx.Done()
	stop()
	end()
	alive.Wait()
	return nil
}

// readAll begins to read every partition. The readers that it returns with an
// error must be stopped too.
func (c *Consumer[T]) readAll(ctx context.Context) ([]jetstream.ConsumeContext, error) {
	var mu sync.Mutex
	readers := make([]jetstream.ConsumeContext, 0, subject.Partitions)
	opening, inner := errgroup.WithContext(ctx)
	opening.SetLimit(declareParallel)
	for p := range subject.Partitions {
		opening.Go(func() error {
			r, err := c.read(ctx, inner, p)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			readers = append(readers, r)
			return nil
		})
	}
	return readers, opening.Wait()
}

// read begins to read a partition. The handlers' context is ctx; opening ends
// with the attempt to begin.
func (c *Consumer[T]) read(ctx, opening context.Context, partition int) (jetstream.ConsumeContext, error) {
	name := c.group.durable(partition)
	durable, err := c.bus.js.Consumer(opening, c.group.Stream, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	r, err := durable.Consume(
		func(m jetstream.Msg) { c.accept(ctx, m) },
		jetstream.PullPriorityGroup(pinGroup),
		jetstream.PullExpiry(pullExpiry),
		jetstream.PullMaxMessages(min(c.bus.cfg.MaxPending, 64)),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			c.log.Debug("reading is disturbed", zap.String("consumer", name), zap.Error(err))
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return r, nil
}

// release gives the partitions back, so that another reader has them at once
// and not only when the pin runs out. A failure costs that time, nothing else.
func (c *Consumer[T]) release(ctx context.Context) {
	if !c.bus.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for p := range subject.Partitions {
		if ctx.Err() != nil {
			return
		}
		if err := c.bus.unpin(c.group.Stream, c.group.durable(p)); err != nil {
			c.log.Debug("a partition was not given back", zap.Int("partition", p), zap.Error(err))
		}
	}
}

func (c *Consumer[T]) accept(ctx context.Context, m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		// Not a JetStream message: nothing can be acknowledged.
		c.log.Error("a message without metadata", zap.String("subject", m.Subject()), zap.Error(err))
		return
	}
	d := &delivery{Msg: m, meta: meta}
	c.mu.Lock()
	c.held[d] = struct{}{}
	c.mu.Unlock()
	c.lanes.Push(subject.Chat(m.Subject()), func() {
		c.settle(ctx, d)
		c.mu.Lock()
		delete(c.held, d)
		c.mu.Unlock()
	})
}

// keepAlive tells the bus that the messages in hand are being worked on.
func (c *Consumer[T]) keepAlive(ctx context.Context) {
	tick := time.NewTicker(c.bus.cfg.AckWait / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.mu.Lock()
		held := make([]*delivery, 0, len(c.held))
		for d := range c.held {
			held = append(held, d)
		}
		c.mu.Unlock()
		for _, d := range held {
			// It fails for one that was acknowledged meanwhile, and while the
			// connection is lost; both need nothing.
			_ = d.InProgress()
		}
	}
}

// traced is the handler's context with the sender's trace in it.
func traced(ctx context.Context, m jetstream.Msg) context.Context {
	carrier := propagation.MapCarrier{headerTraceParent: m.Headers().Get(headerTraceParent)}
	return propagation.TraceContext{}.Extract(ctx, carrier)
}
