package generator

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/memory"
)

// usedPeriod is the interval in which used memories are written. No text waits for it, and a
// statement for many costs little more than one for a few.
const usedPeriod = time.Second

// used collects the ids of memories that were used. Losing some does no harm.
type used struct {
	mu   sync.Mutex
	ids  []int64
	wake chan struct{} // has a value when there are ids
}

func (u *used) add(chosen []memory.Chosen) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range chosen {
		u.ids = append(u.ids, c.ID)
	}
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// run writes the collected ids until the context ends, and then the rest.
func (u *used) run(ctx context.Context, pool *pgxpool.Pool, log *zap.Logger) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-u.wake:
			wait := time.NewTimer(usedPeriod)
			select {
			case <-ctx.Done():
			case <-wait.C:
			}
			wait.Stop()
		}
		u.write(ctx, pool, log)
	}
}

func (u *used) write(ctx context.Context, pool *pgxpool.Pool, log *zap.Logger) {
	u.mu.Lock()
	ids := u.ids
	u.ids = nil
	u.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	if err := memory.Used(ctx, pool, ids); err != nil {
		log.Debug("memories were not refreshed", zap.Error(err))
	}
}
