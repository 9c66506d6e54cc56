package bus

import (
	"context"
	"errors"
	"time"
)

// ErrLapsed is what a handler returns for a message that has lapsed: it is, or
// will be, another's, and nothing more is done with it here.
var ErrLapsed = errors.New("the message has lapsed: the bus gives it to another")

type heldKey struct{}

// holding is what a handler's context knows of its message.
type holding struct {
	hand *hand
	d    *delivery
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

// Lapsed tells whether the message of a handler's context may be another's by
// now. A message that has lapsed never comes to life again.
func Lapsed(ctx context.Context) bool {
	until, known := HeldUntil(ctx)
	return known && !time.Now().Before(until)
}
