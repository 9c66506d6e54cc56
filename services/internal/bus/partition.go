package bus

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/lane"
)

// drainTimeout bounds the wait for what the server has sent already. What comes
// later is left to the ack wait.
const drainTimeout = 2 * time.Second

// partition is one partition while it is read.
type partition struct {
	number int
	lanes  lane.Group[int64]

	mu   sync.Mutex
	last jetstream.Msg
	shut bool
	// What the reader before left comes first, but in any order: the server moves
	// what was handed back to the end of its queue when it finds nobody to give
	// it to. So it is gathered, and taken up as it was published.
	left     int
	gathered []task
}

// task is a message and what is to be done with it.
type task struct {
	*delivery
	do func()
}

// push puts a task into its chat's lane, once what the reader before left is
// here: when that many have come, or the first that nobody had. It is false for
// a partition that was drained.
func (p *partition) push(t task) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return false
	}
	p.last = t.Msg
	p.gathered = append(p.gathered, t)
	if len(p.gathered) >= p.left || t.meta.NumDelivered == 1 {
		p.release()
	}
	return true
}

// takeUp waits for no more of what the reader before left.
func (p *partition) takeUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release()
}

func (p *partition) release() {
	p.left = 0
	slices.SortFunc(p.gathered, func(a, b task) int { return cmp.Compare(a.meta.Sequence.Stream, b.meta.Sequence.Stream) })
	for _, t := range p.gathered {
		p.lanes.Push(subject.Chat(t.Subject()), t.do)
	}
	clear(p.gathered)
	p.gathered = p.gathered[:0]
}

// drain ends the reading: it takes what is on its way and waits for the lanes.
func (p *partition) drain(reader jetstream.ConsumeContext) {
	reader.Drain()
	late := time.NewTimer(drainTimeout)
	defer late.Stop()
	select {
	case <-reader.Closed():
	case <-late.C:
	}
	p.mu.Lock()
	p.release()
	p.shut = true
	p.mu.Unlock()
	p.lanes.Wait()
}
