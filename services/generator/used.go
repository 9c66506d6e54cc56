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

// usedPeriod is how often it is written down which memories were used. No text
// waits for that, and it costs little more for many than for one.
const usedPeriod = time.Second

// used gathers which memories were used. It is no loss if they are not written
// down.
type used struct {
	mu   sync.Mutex
	ids  []int64
	wake chan struct{} // there are some
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

// run writes down what was gathered until the context ends, and then what is left.
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
