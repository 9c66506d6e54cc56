package bus

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

const (
	// reopenEvery is how long a partition that can't be read is left alone.
	reopenEvery = time.Second
	openTimeout = 10 * time.Second
	// lookEvery is how often the next reader asks whether a partition is free.
	lookEvery = 100 * time.Millisecond
	// gatherTimeout bounds the wait for what the reader before left.
	gatherTimeout = time.Second
	// giveUpTimeout bounds the request with which a partition is given up.
	giveUpTimeout = 3 * time.Second
)

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
	durable, err := c.vacant(ctx, name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	p := &partition{number: number, left: durable.CachedInfo().NumAckPending}
	working, stop := context.WithCancel(ctx)
	defer stop()
	reader, err := durable.Consume(
		func(m jetstream.Msg) { c.accept(working, p, m) },
		jetstream.PullPriorityGroup(pinGroup),
		jetstream.PullExpiry(pullExpiry),
		jetstream.PullMaxMessages(min(c.bus.cfg.MaxPending, 64)),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			c.log.Debug("reading is disturbed", zap.String("consumer", name), zap.Error(err))
		}),
	)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	gathering := time.AfterFunc(gatherTimeout, p.takeUp)
	defer gathering.Stop()
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

// vacant waits until nobody reads a partition: nobody is pinned to it, which the
// server does with the first message, and nobody asks for messages.
func (c *Consumer[T]) vacant(ctx context.Context, name string) (jetstream.Consumer, error) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, openTimeout)
		durable, err := c.bus.js.Consumer(asking, c.group.Stream, name)
		cancel()
		if err != nil {
			return nil, err //nolint:wrapcheck // read does
		}
		if info := durable.CachedInfo(); info.NumWaiting == 0 && !pinned(info) {
			return durable, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func pinned(info *jetstream.ConsumerInfo) bool {
	return slices.ContainsFunc(info.PriorityGroups, func(g jetstream.PriorityGroupState) bool { return g.PinnedClientID != "" })
}

// accept takes a message in hand. Those of a partition that is given up are
// handed back by their lanes, in order.
func (c *Consumer[T]) accept(ctx context.Context, p *partition, m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		// Not a JetStream message: nothing can be acknowledged.
		c.log.Error("a message without metadata", zap.String("subject", m.Subject()), zap.Error(err))
		return
	}
	d := &delivery{Msg: m, meta: meta}
	c.held.add(d)
	taken := p.push(task{delivery: d, do: func() {
		defer c.held.remove(d)
		if c.held.lapsed(d) {
			c.metrics.settled(c.group.Name, "lapsed")
			return
		}
		c.settle(ctx, d)
	}})
	if !taken {
		c.held.remove(d)
	}
}

// giveUp makes way for the next reader, which would otherwise wait until the pin
// runs out. The pin is this one's if a message came, unless it has run out.
func (c *Consumer[T]) giveUp(ctx context.Context, p *partition, stopped time.Time) error {
	if p.last == nil || !c.bus.nc.IsConnected() || time.Since(stopped) >= c.bus.cfg.pinnedTTL() {
		return nil
	}
	// The server takes acknowledgements in one after the other, but requests by
	// another way. So the answer to a last acknowledgement says that all are in,
	// and what was handed back goes before what is new.
	ctx, cancel := context.WithTimeout(ctx, giveUpTimeout)
	defer cancel()
	if _, err := c.bus.nc.RequestWithContext(ctx, p.last.Reply(), []byte("+WPI")); err != nil {
		return fmt.Errorf("await the acknowledgements: %w", err)
	}
	return c.bus.unpin(c.group.Stream, c.group.durable(p.number))
}
