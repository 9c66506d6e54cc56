package refusal

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/infra/metric"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Metrics counts the states in which Telegram refuses something, and their ends.
type Metrics struct {
	states *prometheus.GaugeVec
	ended  *prometheus.CounterVec

	mu      sync.Mutex
	counted time.Time
}

// countEvery is the interval in which the states are counted.
const countEvery = 30 * time.Second

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		states: metric.Gauges(r, "chorus_refused", "What Telegram refuses now, in the whole installation: bots (bot_stopped), "+
			"bots in chats (bot_suspended, bot_resting), reactions in chats (reactions_closed).", "what"),
		ended: metric.Counters(r, "chorus_refusals_ended_total", "What Telegram refused and allows again.", "what"),
	}
	for _, what := range []string{rosterpg.BotStopped, rosterpg.BotSuspended, rosterpg.ReactionsClosed} {
		m.ended.WithLabelValues(what)
	}
	return m
}

func (m *Metrics) end(what string) { m.ended.WithLabelValues(what).Inc() }

// count counts the states if the last count is older than countEvery.
func (m *Metrics) count(ctx context.Context, db store.DB) error {
	if !m.due() {
		return nil
	}
	states, err := rosterpg.CountRefusals(ctx, db)
	for what, n := range states {
		m.states.WithLabelValues(what).Set(float64(n))
	}
	return err
}

func (m *Metrics) due() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.counted) < countEvery {
		return false
	}
	m.counted = time.Now()
	return true
}
