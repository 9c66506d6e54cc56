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

// Watch holds the current settings, as long as its Channel is listened to. While the database is
// away, it keeps the last values. It is safe for concurrent use.
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

// Open reads the settings once, so that nobody acts on defaults before the first notification.
func Open(ctx context.Context, pool *pgxpool.Pool, log *zap.Logger) (*Watch, error) {
	w := &Watch{pool: pool, log: log}
	stored, err := Load(ctx, pool)
	if err != nil {
		return nil, err
	}
	w.take(stored)
	return w, nil
}

// Current returns the current settings. It costs one atomic load.
func (w *Watch) Current() *settings.Values { return w.current.Load().values }

// Changed returns a channel that is closed when the settings that Current returns at the time of
// this call have changed. To miss nothing, call Changed before Current.
func (w *Watch) Changed() <-chan struct{} { return w.current.Load().changed }

// Channel returns the channel that keeps the settings current: a change is read as soon as the
// database announces it.
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

// take makes the values current, if they differ.
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
