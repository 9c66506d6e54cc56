package relay

import "context"

// Due is one sweep, for tests that don't wait for the tick.
func (r *Relay) Due(ctx context.Context) error { return r.due(ctx) }

// Sweep is Due that tells the log how it ended.
func (r *Relay) Sweep(ctx context.Context) { r.sweep(ctx) }
