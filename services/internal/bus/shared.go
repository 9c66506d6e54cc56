package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/lane"
)

// lookTimeout bounds the look for a consumer that is read without partitions. A
// request that a lost connection took along is never answered.
const lookTimeout = 2 * time.Second

// readShared reads a group without partitions, beside others, until the context
// ends. No handler runs any more when it returns.
func (c *Consumer[T]) readShared(ctx context.Context) {
	var lanes lane.Group[int64]
	// As for partitions, who asks for messages waits for the answer, and the
	// handlers go on meanwhile.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	for ctx.Err() == nil {
		_, held := lanes.Len()
		if held >= c.bus.cfg.MaxPending {
			pause(ctx, lookEvery)
			continue
		}
		if err := c.fetchShared(working, &lanes, c.bus.cfg.MaxPending-held); err != nil {
			c.log.Debug("reading is disturbed", zap.String("consumer", c.group.Name), zap.Error(err))
			c.bus.repair(working, err)
			pause(ctx, retryEvery)
		}
	}
	stop()
	lanes.Wait()
}

// fetchShared takes what comes within a second, at most so many messages. The
// context is that of the handlers.
func (c *Consumer[T]) fetchShared(ctx context.Context, lanes *lane.Group[int64], most int) error {
	if err := c.bus.Ready(ctx); err != nil {
		return err
	}
	// It is looked for each time, because a consumer that is gone answers nothing.
	asking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	durable, err := c.bus.js.Consumer(asking, c.group.Stream, c.group.durable(0))
	if err != nil {
		return fmt.Errorf("look for the consumer: %w", err)
	}
	batch, err := durable.Fetch(most, jetstream.FetchMaxWait(pullExpiry))
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	for m := range batch.Messages() {
		if t, ok := c.take(ctx, m); ok {
			lanes.Push(subject.Chat(t.Subject()), t.do)
		}
	}
	if err := batch.Error(); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	return nil
}
