package command

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/lease"
)

// replicas tells among how many processes limits are divided that each keeps for itself.
// It looks only when somebody has asked since the last look, so an idle process makes no
// statements.
type replicas struct {
	lease *lease.Lease
	n     atomic.Int64
	asked chan struct{}
}

func newReplicas(l *lease.Lease) *replicas {
	r := &replicas{lease: l, asked: make(chan struct{}, 1)}
	r.n.Store(1)
	return r
}

// countEvery is how old the number may be.
const countEvery = 5 * time.Second

// count is how many processes of this kind live, as of some seconds ago. It never blocks.
func (r *replicas) count() int {
	select {
	case r.asked <- struct{}{}:
	default:
	}
	return int(r.n.Load())
}

// run keeps the number up to date until the context ends. It keeps the last one while the
// database is away.
func (r *replicas) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.asked:
		}
		asking, cancel := context.WithTimeout(ctx, countEvery)
		if n, err := r.lease.Count(asking); err == nil {
			r.n.Store(int64(n))
		}
		cancel()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(countEvery):
		}
	}
}
