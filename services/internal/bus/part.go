package bus

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/proto/subject"
)

// part is the partitions that a consumer has of its group.
type part struct {
	terms   [subject.Partitions]term
	readers sync.WaitGroup
}

// term is the time that a partition is read without a break. The zero value is
// one that is over.
type term struct {
	end  context.CancelFunc // nil once it was called
	over <-chan struct{}
}

// takePart reads what is this consumer's part until the context ends.
func (c *Consumer[T]) takePart(ctx context.Context, members *member) {
	var p part
	tick := time.NewTicker(c.bus.cfg.beatEvery())
	defer tick.Stop()
	for changed := true; ; {
		if changed {
			c.rebalance(ctx, &p, members)
		}
		select {
		case <-ctx.Done():
			members.leave(context.WithoutCancel(ctx))
			p.readers.Wait()
			c.metrics.reads(c.group.Name, 0)
			return
		case m := <-members.inbox:
			changed = members.note(m)
		case <-tick.C:
			changed = members.pulse()
		}
	}
}

// Members is how many consumers share the group's partitions, as far as this one
// knows; at least 1.
func (c *Consumer[T]) Members() int { return max(int(c.members.Load()), 1) }

// rebalance begins to read what is this consumer's now, and ends what is no more.
func (c *Consumer[T]) rebalance(ctx context.Context, p *part, members *member) {
	all := members.all()
	c.members.Store(int64(len(all)))
	var own, gained, lost int
	for number, owner := range share(all) {
		t := &p.terms[number]
		switch mine := owner == members.self; {
		case mine && t.end == nil:
			c.begin(ctx, p, number)
			gained++
		case !mine && t.end != nil:
			t.end()
			t.end = nil
			lost++
		}
		if t.end != nil {
			own++
		}
	}
	c.metrics.reads(c.group.Name, own)
	c.log.Info("partitions are shared", zap.Int("members", len(all)), zap.Int("own", own), zap.Int("gained", gained), zap.Int("given_up", lost))
}

// begin begins a partition's term, once the one before is over.
func (c *Consumer[T]) begin(ctx context.Context, p *part, number int) {
	ctx, end := context.WithCancel(ctx)
	before, over := p.terms[number].over, make(chan struct{})
	p.terms[number] = term{end: end, over: over}
	p.readers.Go(func() {
		defer close(over)
		defer end()
		if before != nil {
			<-before
		}
		c.read(ctx, number)
	})
}
