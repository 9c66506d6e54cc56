package bus

import (
	"context"
	"time"
)

// Depth is what a consumer measures now.
func (c *Consumer[T]) Depth(ctx context.Context) (messages, lanes int, oldest time.Duration, err error) {
	d, err := c.measure(ctx)
	return d.messages, d.lanes, d.oldest, err
}
