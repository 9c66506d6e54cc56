package settingspg

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/listen"
	"github.com/chorus-cast/chorus/services/internal/settings"
)

// Watch follows the settings in the database, once its channel is listened to.
// While the database is away, what was seen last holds. It is safe for
// concurrent use.
type Watch struct {
	pool    *pgxpool.Pool
	log     *zap.Logger
	current atomic.Pointer[snapshot]
}

// snapshot is a state of the settings.
type snapshot struct {
	stored  []settings.Stored
	values  *settings.Values
	changed chan struct{} // closed when there is a newer one
}

// Open reads the settings once; its channel keeps them current. So nobody acts
// on defaults where something else is set.
func Open(ctx context.Context, pool *pgxpool.Pool, log *zap.Logger) (*Watch, error) {
	w := &Watch{pool: pool, log: log}
	stored, err := Load(ctx, pool)
	if err != nil {
		return nil, err
	}
	w.take(stored)
	return w, nil
}

// Current are the settings as they are now. It costs one atomic load.
func (w *Watch) Current() *settings.Values { return w.current.Load().values }

// Changed is closed when Current, as it was at the time of this call, is no
// longer current. To miss nothing, call Changed before Current.
func (w *Watch) Changed() <-chan struct{} { return w.current.Load().changed }

// Channel keeps the settings current when it is listened to: a change is seen
// as soon as the database tells of it.
func (w *Watch) Channel() listen.Channel {
	return listen.Channel{Name: channel, Look: func(ctx context.Context) error {
		stored, err := Load(ctx, w.pool)
		if err != nil {
			return err
		}
		w.take(stored)
		return nil
	}}
}

// take makes what was read current, if it is something new.
func (w *Watch) take(stored []settings.Stored) {
	old := w.current.Load()
	if old != nil && slices.EqualFunc(old.stored, stored, same) {
		return
	}
	values, problems := settings.NewValues(stored)
	for _, problem := range problems {
		w.log.Warn("settings", zap.Error(problem))
	}
	w.current.Store(&snapshot{stored: stored, values: values, changed: make(chan struct{})})
	if old != nil {
		close(old.changed)
		w.log.Info("settings changed")
	}
}

func same(a, b settings.Stored) bool {
	return a.Key == b.Key && a.Scope == b.Scope && a.ScopeID == b.ScopeID && bytes.Equal(a.Value, b.Value)
}
