// Package outbox publishes the updates of chats, in the order of their numbers,
// whoever wrote them down.
//
// An update goes onto the bus only after the one before it is stored there, and
// whoever publishes a chat's update publishes all before it that are not published
// yet. So any number of processes may do that at once: each update is stored first
// by the fastest of them, and the bus drops it when the others bring it.
package outbox

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// Publisher is the part of the bus that an outbox needs.
type Publisher interface {
	Publish(ctx context.Context, messages ...bus.Message) ([]uint64, error)
	Last(ctx context.Context, stream, subject string) (bus.Stored, error)
	Ready(ctx context.Context) error
}

// Outbox publishes what is in the table of updates. Its methods are safe for
// concurrent use.
type Outbox struct {
	pool *pgxpool.Pool
	bus  Publisher
	// outages is of the database or the bus.
	outages *outage.Log

	wake chan struct{}
	mu   sync.Mutex
	// dirty are the chats in which there is something to publish, waiting who waits
	// for that.
	dirty   map[int64]bool
	waiting []chan<- error
	closed  bool
}

// ErrStopped says that the outbox doesn't publish any more.
var ErrStopped = errors.New("the outbox has stopped")

const (
	// period is how often the outbox looks for what was left over.
	period = time.Second
	// farewell is how long an outbox that stops may take for what is still to be
	// published. The rest is another's, or this one's after the restart.
	farewell = time.Second
)

// New makes an outbox.
func New(pool *pgxpool.Pool, b Publisher, log *zap.Logger) *Outbox {
	return &Outbox{
		pool: pool, bus: b, wake: make(chan struct{}, 1), dirty: map[int64]bool{},
		outages: outage.New(log, "updates can't be published: they wait in the database", "updates are published again").Except(store.Away),
	}
}

// Offer says that there is something to publish in chats. It never blocks.
func (o *Outbox) Offer(chats ...int64) { o.add(nil, chats) }

// Flush waits until all that is committed in chats is on the bus. An error is no
// loss: it is published later.
func (o *Outbox) Flush(ctx context.Context, chats ...int64) error {
	if len(chats) == 0 {
		return nil
	}
	if err := o.bus.Ready(ctx); err != nil {
		return err
	}
	done := make(chan error, 1)
	if !o.add(done, chats) {
		return ErrStopped
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *Outbox) add(done chan<- error, chats []int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	for _, c := range chats {
		o.dirty[c] = true
	}
	if done != nil {
		o.waiting = append(o.waiting, done)
	}
	o.nudge()
	return true
}

// Hurry makes the outbox look for what was left over: after the bus came back.
func (o *Outbox) Hurry() { o.nudge() }

func (o *Outbox) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Run publishes until the context ends. What was committed and offered by then is
// still published. Run it once.
func (o *Outbox) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	defer o.close(context.WithoutCancel(ctx))
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-o.wake:
			o.serve(ctx, o.publish)
		case <-tick.C:
			o.note(ctx, o.sweep(ctx))
		}
	}
	return nil
}

func (o *Outbox) note(ctx context.Context, err error) {
	if ctx.Err() == nil && o.bus.Ready(ctx) == nil { // the bus itself tells that it is lost
		o.outages.Note(err)
	}
}

func (o *Outbox) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.serve(ctx, o.publish)
}

// serve takes what is to be published, and tells who waits for it. What fails is
// left to a sweep.
func (o *Outbox) serve(ctx context.Context, publish func(context.Context, []int64) error) {
	o.mu.Lock()
	chats, waiting := slices.Sorted(maps.Keys(o.dirty)), o.waiting
	o.dirty, o.waiting = map[int64]bool{}, nil
	o.mu.Unlock()
	err := publish(ctx, chats)
	if len(chats) > 0 {
		o.note(ctx, err)
	}
	for _, w := range waiting {
		w <- err
	}
}
