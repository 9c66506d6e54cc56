package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Empty deletes all messages. The streams and consumers stay, and so do the numbers
// that they gave. What is still to be done stands in the database, and is published
// again. Call it while no service runs.
func (b *Bus) Empty(ctx context.Context) error {
	for _, cfg := range streams(b.cfg) {
		s, err := b.js.Stream(ctx, cfg.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at stream %s: %w", cfg.Name, err)
		}
		if err := s.Purge(ctx); err != nil {
			return fmt.Errorf("empty stream %s: %w", cfg.Name, err)
		}
	}
	return nil
}
