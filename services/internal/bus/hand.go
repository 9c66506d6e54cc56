package bus

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// hand is the messages that a consumer has in hand. It keeps them alive, and
// knows which ones it could not keep: those the bus gives to another.
type hand struct {
	bus *Bus

	mu    sync.Mutex
	alive map[*delivery]time.Time // the last sign of life that the bus has got
	// When the server was last spoken to that has answered, and how often the
	// connection had been made anew by then.
	proof      time.Time
	reconnects uint64
}

// delivery is one message in hand.
type delivery struct {
	jetstream.Msg
	meta *jetstream.MsgMetadata
}

func newHand(b *Bus) *hand {
	return &hand{bus: b, alive: make(map[*delivery]time.Time), proof: time.Now()}
}

// add takes a message in hand. After a standstill that may be one that the server
// sent before it, and has given to another since.
func (h *hand) add(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := time.Now()
	if at.Sub(h.proof) >= h.bus.cfg.redeliverAfter() && h.bus.nc.Stats().Reconnects == h.reconnects {
		at = h.proof
	}
	h.alive[d] = at
}

// renew forgets what a reader that has ended knew of the server. It has nothing in
// hand, and the next one begins.
func (h *hand) renew() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.proof, h.reconnects = time.Now(), h.bus.nc.Stats().Reconnects
}

func (h *hand) remove(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.alive, d)
}

// lapsed tells whether the bus had no sign of life of a message for the ack wait:
// because this process stood still, or was cut off. It is, or will be, another's.
func (h *hand) lapsed(d *delivery) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.alive[d]) >= h.bus.cfg.redeliverAfter()
}

// until is when a message lapses, if no further sign of life reaches the bus.
func (h *hand) until(d *delivery) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.alive[d].Add(h.bus.cfg.redeliverAfter())
}

// keepAlive tells the bus that the messages in hand are being worked on, until
// the context ends.
func (h *hand) keepAlive(ctx context.Context) {
	tick := time.NewTicker(h.bus.cfg.redeliverAfter() / 3)
	defer tick.Stop()
	for {
		h.beat(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *hand) beat(ctx context.Context) {
	now, reconnects := time.Now(), h.bus.nc.Stats().Reconnects
	kept := h.kept(now)
	for _, d := range kept {
		// It fails for one that was acknowledged meanwhile, and while the
		// connection is lost; both need nothing.
		_ = d.InProgress()
	}
	// Once the server answers, it has got them.
	ctx, cancel := context.WithTimeout(ctx, h.bus.cfg.redeliverAfter())
	defer cancel()
	if err := h.bus.nc.FlushWithContext(ctx); err != nil {
		h.bus.log.Debug("messages in hand were not kept alive", zap.Int("messages", len(kept)), zap.Error(err))
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.proof, h.reconnects = now, reconnects
	for _, d := range kept {
		if _, held := h.alive[d]; held {
			h.alive[d] = now
		}
	}
}

// kept is what is in hand and has not lapsed, in order: so what this process can't
// acknowledge any more runs out in order, and the next one gets it in order.
func (h *hand) kept(now time.Time) []*delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := make([]*delivery, 0, len(h.alive))
	for d, at := range h.alive {
		if now.Sub(at) < h.bus.cfg.redeliverAfter() {
			kept = append(kept, d)
		}
	}
	slices.SortFunc(kept, func(a, b *delivery) int { return cmp.Compare(a.meta.Sequence.Stream, b.meta.Sequence.Stream) })
	return kept
}
