package refusal

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

// Metrics tells of what Telegram refuses. A nil *Metrics tells nothing.
type Metrics struct {
	states *prometheus.GaugeVec
	ended  *prometheus.CounterVec

	mu      sync.Mutex
	counted time.Time
}

// countEvery is how often the states are counted.
const countEvery = 30 * time.Second

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chorus_refused",
			Help: "What Telegram refuses now, in the whole installation: bots (bot_stopped), " +
				"bots in chats (bot_suspended, bot_resting), reactions in chats (reactions_closed).",
		}, []string{"what"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chorus_refusals_ended_total", Help: "What Telegram refused and allows again.",
		}, []string{"what"}),
	}
	r.MustRegister(m.states, m.ended)
	for _, what := range []string{rosterpg.BotStopped, rosterpg.BotSuspended, rosterpg.ReactionsClosed} {
		m.ended.WithLabelValues(what)
	}
	return m
}

func (m *Metrics) end(what string) {
	if m != nil {
		m.ended.WithLabelValues(what).Inc()
	}
}

// count counts the states, if that was some time ago.
func (m *Metrics) count(ctx context.Context, db rosterpg.DB) error {
	if m == nil || !m.due() {
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
