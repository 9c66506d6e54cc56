package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// depthEvery is how often the bus is asked how much waits. One request for each
// partition, whatever the number of replicas.
const depthEvery = 10 * time.Second

// depth is how much waits in the partitions that a consumer reads.
type depth struct {
	messages int // on the bus and not done, those in hand included
	lanes    int // chats that have work in hand
	oldest   time.Duration
}

// readers are the partitions that are being read.
type readers struct {
	mu   sync.Mutex
	open map[*partition]bool
}

// begin notes a partition until end is called.
func (r *readers) begin(p *partition) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = make(map[*partition]bool)
	}
	r.open[p] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, p)
	}
}

func (r *readers) all() []*partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*partition, 0, len(r.open))
	for p := range r.open {
		all = append(all, p)
	}
	return all
}

// watchDepth measures until the context ends.
func (c *Consumer[T]) watchDepth(ctx context.Context) {
	tick := time.NewTicker(depthEvery)
	defer tick.Stop()
	defer c.metrics.waiting(c.group.Name, depth{})
	for {
		if d, err := c.measure(ctx); err == nil {
			c.metrics.waiting(c.group.Name, d)
		} else if ctx.Err() == nil {
			// What was measured last stays, and gets no older: alerts look at the
			// partitions, too, and at what came of the turns.
			c.log.Debug("how much waits is unknown", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *Consumer[T]) measure(ctx context.Context) (depth, error) {
	var sum depth
	ctx, cancel := context.WithTimeout(ctx, depthEvery)
	defer cancel()
	s, err := c.bus.js.Stream(ctx, c.group.Stream)
	if err != nil {
		return depth{}, fmt.Errorf("look at stream %s: %w", c.group.Stream, err)
	}
	for _, p := range c.reading.all() {
		info, err := p.durable.Info(ctx)
		if err != nil {
			return depth{}, fmt.Errorf("look at consumer %s: %w", p.name, err)
		}
		lanes, _ := p.lanes.Len()
		sum.lanes += lanes
		waiting := int(info.NumPending) + info.NumAckPending //nolint:gosec // far below
		if sum.messages += waiting; waiting == 0 {
			continue
		}
		age, err := oldest(ctx, s, info.Config.FilterSubject)
		if err != nil {
			return depth{}, err
		}
		sum.oldest = max(sum.oldest, age)
	}
	return sum, nil
}

// oldest is the age of the first message of a partition, by the clock that stamped it.
// A work queue has none that is done.
func oldest(ctx context.Context, s jetstream.Stream, filter string) (time.Duration, error) {
	first, err := s.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(filter))
	if errors.Is(err, jetstream.ErrMsgNotFound) { // done meanwhile
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for the first message of %s: %w", filter, err)
	}
	return max(s.CachedInfo().TimeStamp.Sub(first.Time), 0), nil
}
