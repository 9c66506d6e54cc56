package bus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/chorus-cast/chorus/proto/subject"
)

// ErrLapsed is what a handler returns for a message that has lapsed: it is, or
// will be, another's, and nothing more is done with it here.
var ErrLapsed = errors.New("the message has lapsed: the bus gives it to another")

type heldKey struct{}

// holding is what a handler's context knows of its message.
type holding struct {
	hand *hand
	d    *delivery
	// attempt is which it is of those that this consumer makes, from 1.
	attempt int
}

// HeldUntil tells until when nobody else can be given the message of a handler's
// context. It moves on while the consumer keeps the message alive. Known is false
// for any other context.
//
// A process that stands still, or is cut off from the bus, for longer finds the
// instant in the past. What must not happen beside the message's next owner has
// to begin before it.
func HeldUntil(ctx context.Context) (until time.Time, known bool) {
	h, known := ctx.Value(heldKey{}).(holding)
	if !known {
		return time.Time{}, false
	}
	return h.hand.until(h.d), true
}

// IsRepeated tells whether the message of a handler's context may have been handled
// before: it was published or given out more than once, or an attempt at it failed.
// It is true for any other context.
func IsRepeated(ctx context.Context) bool {
	h, known := ctx.Value(heldKey{}).(holding)
	return !known || h.attempt > 1 || h.d.meta.NumDelivered > 1 || subject.IsRepublication(h.d.Headers().Get(jetstream.MsgIDHeader))
}

// Lapsed tells whether the message of a handler's context may be another's by
// now. A message that has lapsed never comes to life again.
func Lapsed(ctx context.Context) bool {
	until, known := HeldUntil(ctx)
	return known && !time.Now().Before(until)
}
