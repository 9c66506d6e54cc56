package bus

import (
	"context"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
)

// Handler does what a message asks for. It returns nil only once the effect is
// durable, and must bear being called again for the same message. Its errors
// are sorted by package fail: a permanent one makes a dead letter, any other is
// tried again in place, holding back only the messages of the same chat.
//
// The context ends when the consumer stops or when the message's partition goes
// to another one: waits should end with it, and what can't be interrupted should
// not use it.
type Handler[T proto.Message] func(ctx context.Context, message T) error

// Undertaker makes dead letters durable.
type Undertaker interface {
	Bury(ctx context.Context, letter *chorusv1.DeadLetter) error
}

// Consumer reads its part of a group's partitions and hands each chat's messages
// to the handler one by one, in order; different chats are handled side by side.
// Where a group has no partitions, that holds of what one consumer gets, while
// others may be at other messages of the same chat.
//
// The partitions are shared by all the consumers of the group that run, in any
// process. When one comes or goes they are shared out anew: a partition that
// another is to read is given up as all are at the end, see Run. A consumer that
// loses the bus, or doesn't hear the others, keeps what it has.
//
// It holds at most MaxPending messages of a partition, or of such a group, and keeps them alive
// with in-progress acknowledgements, however long the handler takes.
type Consumer[T proto.Message] struct {
	bus     *Bus
	group   Group
	handle  Handler[T]
	dead    Undertaker
	log     *zap.Logger
	metrics *Metrics
	held    *hand
	members atomic.Int64
	reading readers
	outages *outage.Log
}

// NewConsumer makes a consumer. It reads nothing until it is run.
func NewConsumer[T proto.Message](b *Bus, group Group, dead Undertaker, metrics *Metrics, handle Handler[T]) *Consumer[T] {
	metrics.begin(group)
	return &Consumer[T]{
		bus: b, group: group, handle: handle, dead: dead, metrics: metrics,
		log:     b.log.With(zap.String("group", group.Name)),
		held:    newHand(b),
		outages: outage.New(b.log.With(zap.String("group", group.Name)), "messages fail, and are tried again", "messages are handled again"),
	}
}

// Run reads until the context ends. Then it stops fetching, waits for the
// handlers (whose context has ended too), hands back what they did not finish,
// and returns. It returns an error if it can't begin. It may be run again after it has
// returned.
func (c *Consumer[T]) Run(ctx context.Context) error {
	if !c.group.partitioned() {
		c.live(ctx, c.readShared)
		return nil
	}
	var members *member
	err := c.bus.waits(ctx, func(ctx context.Context) (err error) {
		members, err = c.bus.attend(ctx, c.group.Name)
		return err
	})
	if err != nil {
		if ctx.Err() != nil { // asked to stop while starting
			return nil //nolint:nilerr // see above
		}
		return err
	}
	c.live(ctx, func(ctx context.Context) { c.takePart(ctx, members) })
	return nil
}

// live keeps what is in hand alive while read runs.
func (c *Consumer[T]) live(ctx context.Context, read func(context.Context)) {
	var alive sync.WaitGroup
	c.held.renew()
	beating, end := context.WithCancel(context.WithoutCancel(ctx))
	alive.Go(func() { c.held.keepAlive(beating) })
	if c.group.partitioned() {
		alive.Go(func() { c.watchDepth(beating) })
	}
	read(ctx)
	end()
	alive.Wait()
}
