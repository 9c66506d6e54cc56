package bus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/lane"
)

const (
	// reopenEvery is how long a partition that can't be read is left alone.
	reopenEvery = time.Second
	openTimeout = 10 * time.Second
	// drainTimeout bounds the wait for what the server has sent already. What
	// comes later is left to the ack wait.
	drainTimeout = 2 * time.Second
	// giveUpTimeout bounds the request with which a partition is given up.
	giveUpTimeout = time.Second
)

// partition is one partition while it is read.
type partition struct {
	number int
	lanes  lane.Group[int64]

	mu   sync.Mutex
	last jetstream.Msg
	shut bool
}

// hold reads a partition until the context ends, and then gives it up.
func (c *Consumer[T]) hold(ctx context.Context, number int) {
	for ctx.Err() == nil {
		err := c.read(ctx, number)
		if ctx.Err() != nil {
			return
		}
		c.log.Warn("a partition is not read", zap.Int("partition", number), zap.Error(err))
		retry := time.NewTimer(reopenEvery)
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
		}
	}
}

// read reads a partition until the context or the reading itself ends. When it
// returns, no handler of the partition's messages runs.
func (c *Consumer[T]) read(ctx context.Context, number int) error {
	name := c.group.durable(number)
	opening, opened := context.WithTimeout(ctx, openTimeout)
	defer opened()
	durable, err := c.bus.js.Consumer(opening, c.group.Stream, name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	p := &partition{number: number}
	working, stop := context.WithCancel(ctx)
	defer stop()
	reader, err := durable.Consume(
		func(m jetstream.Msg) { c.accept(working, p, m) },
		jetstream.PullPriorityGroup(pinGroup),
		jetstream.PullExpiry(c.bus.cfg.pullExpiry()),
		jetstream.PullMaxMessages(min(c.bus.cfg.MaxPending, 64)),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			c.log.Debug("reading is disturbed", zap.String("consumer", name), zap.Error(err))
		}),
	)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	select {
	case <-ctx.Done():
	case <-reader.Closed():
	}
	stopped := time.Now()
	stop()
	p.drain(reader)
	if err := c.giveUp(context.WithoutCancel(ctx), p, stopped); err != nil {
		// It costs its next reader the time until the pin runs out.
		c.log.Debug("a partition was not given up", zap.Int("partition", number), zap.Error(err))
	}
	return fmt.Errorf("read %s: the bus ended it", name)
}

// accept takes a message in hand. Those of a partition that is given up are
// handed back by their lane, in order.
func (c *Consumer[T]) accept(ctx context.Context, p *partition, m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		// Not a JetStream message: nothing can be acknowledged.
		c.log.Error("a message without metadata", zap.String("subject", m.Subject()), zap.Error(err))
		return
	}
	d := &delivery{Msg: m, meta: meta}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return
	}
	p.last = m
	c.mu.Lock()
	c.held[d] = struct{}{}
	c.mu.Unlock()
	p.lanes.Push(subject.Chat(m.Subject()), func() {
		c.settle(ctx, d)
		c.mu.Lock()
		delete(c.held, d)
		c.mu.Unlock()
	})
}

// drain fetches no more, takes what is on its way, and waits for the lanes.
func (p *partition) drain(reader jetstream.ConsumeContext) {
	reader.Drain()
	late := time.NewTimer(drainTimeout)
	defer late.Stop()
	select {
	case <-reader.Closed():
	case <-late.C:
	}
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	p.lanes.Wait()
}

// giveUp makes way for the next reader, which would otherwise wait until the pin
// runs out. The pin is this one's if a message came, unless it has run out.
func (c *Consumer[T]) giveUp(ctx context.Context, p *partition, stopped time.Time) error {
	if p.last == nil || !c.bus.nc.IsConnected() || time.Since(stopped) >= c.bus.cfg.pinnedTTL() {
		return nil
	}
	// The server takes acknowledgements in one after the other, but requests by
	// another way. So the answer to the last acknowledgement says that all are
	// in, and what was handed back goes before what is new.
	ctx, cancel := context.WithTimeout(ctx, giveUpTimeout)
	defer cancel()
	if _, err := c.bus.nc.RequestWithContext(ctx, p.last.Reply(), []byte("+WPI")); err != nil {
		return fmt.Errorf("await the acknowledgements: %w", err)
	}
	return c.bus.unpin(c.group.Stream, c.group.durable(p.number))
}
