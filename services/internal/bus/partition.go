package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/lane"
)

const (
	// retryEvery is how long a partition that can't be read is left alone.
	retryEvery  = time.Second
	openTimeout = 10 * time.Second
	// lookEvery is how often the next reader asks whether a partition is free.
	lookEvery = 100 * time.Millisecond
	// giveUpTimeout bounds the request with which a partition is given up.
	giveUpTimeout = 3 * time.Second
)

// partition is one partition while it is read.
type partition struct {
	name    string // of its consumer
	durable jetstream.Consumer
	lanes   lane.Group[int64]
	last    jetstream.Msg // nil if none came

	// What was given out before and is not in hand here comes again, but later than
	// what is new, or in another order: so, until so many have come or can come no
	// more, all is gathered, and then taken up as it was published.
	missing  int
	until    time.Time
	gathered []task

	// Something may be missing after an error, or if the connection was made anew
	// since it was counted.
	unsure     bool
	reconnects uint64
}

// task is a message in hand and what is to be done with it.
type task struct {
	*delivery
	do func()
}

// read reads a partition until the context ends, and then gives it up. No handler
// of its messages runs any more when read returns.
func (c *Consumer[T]) read(ctx context.Context, number int) {
	p, err := c.open(ctx, c.group.durable(number))
	if err != nil { // asked to stop
		return
	}
	// Who asks for messages must wait for the answer, or what is on its way is
	// nobody's until the ack wait is over. Meanwhile the handlers go on.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer c.reading.begin(p)()
	for ctx.Err() == nil {
		if err := c.fetch(working, p); err != nil {
			c.log.Debug("reading is disturbed", zap.String("consumer", p.name), zap.Error(err))
			c.bus.repair(working, err)
			p.unsure = true
			pause(ctx, retryEvery)
		}
		if time.Now().After(p.until) {
			p.takeUp()
		}
	}
	stopped := time.Now()
	stop()
	p.takeUp()
	p.lanes.Wait()
	if err := c.giveUp(context.WithoutCancel(ctx), p, stopped); err != nil {
		// It costs the next reader the time until the pin runs out.
		c.log.Debug("a partition was not given up", zap.String("consumer", p.name), zap.Error(err))
	}
}

// open waits until nobody reads a partition: nobody is pinned to it, which the
// server does with the first message, and nobody asks for messages. Two that ask
// at a time would break their order: the server moves what was handed back to the
// end of its queue while a request waits that it must not serve.
//
// It is an error only if the context ends.
func (c *Consumer[T]) open(ctx context.Context, name string) (*partition, error) {
	for told := false; ; {
		reconnects := c.bus.nc.Stats().Reconnects
		asking, cancel := context.WithTimeout(ctx, openTimeout)
		durable, err := c.bus.js.Consumer(asking, c.group.Stream, name)
		cancel()
		wait := lookEvery
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			if !told {
				c.log.Warn("a partition can't be read, trying again", zap.String("consumer", name), zap.Error(err))
			}
			c.bus.repair(ctx, err)
			told, wait = true, retryEvery
		case durable.CachedInfo().NumWaiting == 0 && !pinned(durable.CachedInfo()):
			p := &partition{name: name, durable: durable, reconnects: reconnects}
			c.miss(p, durable.CachedInfo().NumAckPending)
			return p, nil
		}
		pause(ctx, wait)
	}
}

func pinned(info *jetstream.ConsumerInfo) bool {
	return slices.ContainsFunc(info.PriorityGroups, func(g jetstream.PriorityGroupState) bool { return g.PinnedClientID != "" })
}

// fetch takes what comes within a second. The context is that of the handlers.
func (c *Consumer[T]) fetch(ctx context.Context, p *partition) error {
	if err := c.bus.Ready(ctx); err != nil {
		return err
	}
	if p.unsure || p.reconnects != c.bus.nc.Stats().Reconnects {
		if err := c.recount(ctx, p); err != nil {
			return err
		}
	}
	batch, err := p.durable.Fetch(c.bus.cfg.MaxPending, jetstream.FetchPriorityGroup(pinGroup), jetstream.FetchMaxWait(pullExpiry))
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	for m := range batch.Messages() {
		c.accept(ctx, p, m)
	}
	// Another was pinned, or the server has started anew: the next request comes
	// without the old pin.
	if err := batch.Error(); err != nil && !errors.Is(err, jetstream.ErrPinIDMismatch) {
		return fmt.Errorf("fetch: %w", err)
	}
	return nil
}

// accept puts a message to those of its partition. Those of one that is given up
// are handed back by their lanes, in order.
func (c *Consumer[T]) accept(ctx context.Context, p *partition, m jetstream.Msg) {
	t, ok := c.take(ctx, m)
	if !ok {
		return
	}
	p.last = m
	p.gathered = append(p.gathered, t)
	if t.meta.NumDelivered > 1 {
		p.missing--
	}
	if p.missing <= 0 {
		p.takeUp()
	}
}

// take takes a message in hand. The context is that of its handler.
func (c *Consumer[T]) take(ctx context.Context, m jetstream.Msg) (task, bool) {
	meta, err := m.Metadata()
	if err != nil {
		// Not a JetStream message: nothing can be acknowledged.
		c.log.Error("a message without metadata", zap.String("subject", m.Subject()), zap.Error(err))
		return task{}, false
	}
	d := &delivery{Msg: m, meta: meta}
	c.held.add(d)
	return task{delivery: d, do: func() {
		defer c.held.remove(d)
		if c.held.lapsed(d) {
			c.metrics.settled(c.group.Name, verdictLapsed)
			return
		}
		c.settle(ctx, d)
	}}, true
}

// miss says how many messages must come again before any is taken up.
func (c *Consumer[T]) miss(p *partition, n int) {
	p.missing, p.until = n, time.Now().Add(c.bus.cfg.pinnedTTL())
}

// recount finds out how many messages were on their way, or done but not yet
// acknowledged, when the bus was lost.
func (c *Consumer[T]) recount(ctx context.Context, p *partition) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	reconnects := c.bus.nc.Stats().Reconnects
	_, inHand := p.lanes.Len()
	info, err := p.durable.Info(ctx)
	if err != nil {
		return fmt.Errorf("ask for what is missing: %w", err)
	}
	c.miss(p, info.NumAckPending-inHand-len(p.gathered))
	p.unsure, p.reconnects = false, reconnects
	return nil
}

// takeUp puts what was gathered into its chats' lanes, and gathers no more.
func (p *partition) takeUp() {
	p.missing = 0
	slices.SortFunc(p.gathered, func(a, b task) int { return cmp.Compare(a.meta.Sequence.Stream, b.meta.Sequence.Stream) })
	for _, t := range p.gathered {
		p.lanes.Push(subject.Chat(t.Subject()), t.do)
	}
	clear(p.gathered)
	p.gathered = p.gathered[:0]
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
	return c.bus.unpin(c.group.Stream, p.name)
}

// pause waits, or returns when the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
