// Package relay publishes what the journal says is to be published: at once
// when asked, and what a crash or an outage of the bus left over on a tick.
package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/journal"
)

// Publisher is the part of the bus that a relay needs.
type Publisher interface {
	Publish(ctx context.Context, messages ...bus.Message) ([]uint64, error)
	Held(ctx context.Context, stream string, want []bus.Stored) ([]bool, error)
	Ready(ctx context.Context) error
}

// Relay publishes one outbox. It is safe for concurrent use, by any number of
// processes: the outbox gives each row to one of them.
type Relay struct {
	outbox *journal.Outbox
	bus    Publisher
	log    *zap.Logger
	// outages is of what rows are published with: the database or the bus.
	outages *outage.Log
	hurry   chan struct{}
	offers  chan journal.Entry
	stored  chan []journal.Entry
}

const (
	batch = 500
	// queue is how many offered rows may wait; what is more waits in the journal.
	queue = 4096
	// unrecorded is how many batches may be on the bus without the journal knowing.
	unrecorded = 4
	// period is how often the relay looks for what was left over.
	period = time.Second
)

// New makes a relay.
func New(outbox *journal.Outbox, b Publisher, log *zap.Logger) *Relay {
	return &Relay{
		outbox: outbox, bus: b, log: log.With(zap.String("outbox", outbox.Name)), hurry: make(chan struct{}, 1),
		outages: outage.New(log.With(zap.String("outbox", outbox.Name)),
			"rows can't be published: they wait in the database", "rows are published again").Except(store.Away),
		offers: make(chan journal.Entry, queue), stored: make(chan []journal.Entry, unrecorded),
	}
}

// Push publishes rows that were just committed. An error is no loss: the rows
// are there, and Run publishes them.
func (r *Relay) Push(ctx context.Context, entries ...journal.Entry) {
	r.push(ctx, entries, r.outbox.Published)
}

// push publishes rows, and has it recorded where the bus put them.
func (r *Relay) push(ctx context.Context, entries []journal.Entry, record func(context.Context, []journal.Entry) error) {
	if len(entries) == 0 || r.bus.Ready(ctx) != nil {
		return
	}
	r.outages.Note(r.publish(ctx, entries, record))
}

// Offer is Push without waiting: Run publishes the rows with the next batch. It
// never blocks; what it has no room for is published by a later sweep.
func (r *Relay) Offer(entries ...journal.Entry) {
	for _, e := range entries {
		select {
		case r.offers <- e:
		default:
			return
		}
	}
}

// offered takes what is queued, up to a batch.
func (r *Relay) offered(first journal.Entry) []journal.Entry {
	entries := []journal.Entry{first}
	for len(entries) < batch {
		select {
		case e := <-r.offers:
			entries = append(entries, e)
		default:
			return entries
		}
	}
	return entries
}

func (r *Relay) publish(ctx context.Context, entries []journal.Entry, record func(context.Context, []journal.Entry) error) error {
	messages := make([]bus.Message, len(entries))
	for i, e := range entries {
		messages[i] = e.Message
	}
	sequences, err := r.bus.Publish(ctx, messages...)
	var stored, failed []journal.Entry
	for i, e := range entries {
		if sequences[i] == 0 {
			failed = append(failed, e)
			continue
		}
		e.Sequence = sequences[i]
		stored = append(stored, e)
	}
	if len(stored) > 0 {
		err = errors.Join(err, record(ctx, stored))
	}
	return errors.Join(err, r.giveBack(ctx, failed))
}

// giveBack leaves to the next sweep what could not be published.
func (r *Relay) giveBack(ctx context.Context, entries []journal.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	return r.outbox.Return(ctx, entries)
}

// Hurry makes Run look at every open row: after the bus came back.
func (r *Relay) Hurry() {
	select {
	case r.hurry <- struct{}{}:
	default:
	}
}

// Run publishes what is offered, and on a tick what is left over, until the
// context ends. What was offered by then is still published.
func (r *Relay) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	defer r.recording(context.WithoutCancel(ctx))()
	defer r.flush(context.WithoutCancel(ctx))
	r.sweep(ctx)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case e := <-r.offers:
			r.push(ctx, r.offered(e), r.leave)
		case <-tick.C:
			r.sweep(ctx)
		case <-r.hurry:
			if err := r.outbox.Hurry(ctx); err != nil && ctx.Err() == nil {
				r.outages.Note(err)
			}
			r.sweep(ctx)
		}
	}
	return nil
}

// leave leaves it to the recorder to write down where the bus put rows, so that
// those which come next are published meanwhile.
func (r *Relay) leave(ctx context.Context, entries []journal.Entry) error {
	select {
	case r.stored <- entries:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// recording records what is left to it, until it is ended. It has then recorded
// everything, if the database takes it in time.
func (r *Relay) recording(ctx context.Context) (end func()) {
	ctx, giveUp := context.WithCancel(ctx)
	stop := make(chan struct{})
	var recorder sync.WaitGroup
	recorder.Go(func() {
		for {
			select {
			case entries := <-r.stored:
				r.record(ctx, r.gathered(entries, stop))
			case <-stop:
				for len(r.stored) > 0 {
					r.record(ctx, <-r.stored)
				}
				return
			}
		}
	})
	return func() {
		defer giveUp()
		defer time.AfterFunc(farewell, giveUp).Stop()
		close(stop)
		recorder.Wait()
	}
}

// gathered is what is left to the recorder within a moment, or until it is ended:
// nobody waits for the record, and it costs little more for many rows than for one.
func (r *Relay) gathered(entries []journal.Entry, stop <-chan struct{}) []journal.Entry {
	moment := time.NewTimer(recordPause)
	defer moment.Stop()
	for {
		select {
		case more := <-r.stored:
			entries = append(entries, more...)
		case <-moment.C:
			return entries
		case <-stop:
			return entries
		}
	}
}

// recordPause is far less than the grace after which a row that nobody has recorded
// is published again.
const recordPause = 100 * time.Millisecond

func (r *Relay) record(ctx context.Context, entries []journal.Entry) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	// Where that fails, they are published again, and the bus drops what it has.
	if err := r.outbox.Published(ctx, entries); err != nil {
		r.outages.Note(err)
	}
}

// recordTimeout bounds the recording of what was published.
const recordTimeout = 10 * time.Second

// farewell is how long a relay that stops may take for what is still queued.
// The rest is another relay's, or this one's after the restart.
const farewell = time.Second

// flush publishes what is queued when the relay stops.
func (r *Relay) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case e := <-r.offers:
			r.push(ctx, r.offered(e), r.leave)
		default:
			return
		}
	}
}

func (r *Relay) sweep(ctx context.Context) {
	if r.bus.Ready(ctx) != nil {
		return // the bus itself tells that it is lost
	}
	if err := r.due(ctx); ctx.Err() == nil {
		r.outages.Note(err)
	}
}

// due publishes every row that is due, batch by batch.
func (r *Relay) due(ctx context.Context) error {
	for ctx.Err() == nil && r.bus.Ready(ctx) == nil {
		entries, err := r.outbox.Claim(ctx, batch)
		if err != nil {
			return err
		}
		if err := r.repair(ctx, entries); err != nil {
			return err
		}
		if len(entries) < batch {
			return nil
		}
	}
	return nil
}

// repair publishes, of entries that are due, those that never were, and then
// those that the bus forgot.
func (r *Relay) repair(ctx context.Context, entries []journal.Entry) error {
	var fresh, published []journal.Entry
	for _, e := range entries {
		if e.Sequence == 0 {
			fresh = append(fresh, e)
		} else {
			published = append(published, e)
		}
	}
	if err := r.again(ctx, fresh); err != nil {
		return errors.Join(err, r.giveBack(ctx, published))
	}
	lost, err := r.lost(ctx, published)
	if err != nil {
		return errors.Join(err, r.giveBack(ctx, published))
	}
	return r.again(ctx, lost)
}

func (r *Relay) again(ctx context.Context, entries []journal.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if err := r.publish(ctx, entries, r.outbox.Published); err != nil {
		return err
	}
	r.log.Info("the relay published", zap.Int("entries", len(entries)))
	return nil
}

// lost is those of published entries that the bus does not hold, with ids that
// it does not know.
func (r *Relay) lost(ctx context.Context, published []journal.Entry) ([]journal.Entry, error) {
	if len(published) == 0 {
		return nil, nil
	}
	want := make([]bus.Stored, len(published))
	for i, e := range published {
		want[i] = bus.Stored{Sequence: e.Sequence, ID: e.Message.ID}
	}
	held, err := r.bus.Held(ctx, r.outbox.Stream, want)
	if err != nil {
		return nil, fmt.Errorf("ask what the bus still holds: %w", err)
	}
	var lost []journal.Entry
	for i, e := range published {
		if !held[i] {
			lost = append(lost, e)
		}
	}
	return r.outbox.Renew(ctx, lost)
}
