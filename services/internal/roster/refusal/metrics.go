package refusal

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics tells of what Telegram refuses. A nil *Metrics tells nothing.
type Metrics struct {
	states *prometheus.GaugeVec
	ended  *prometheus.CounterVec

	mu      sync.Mutex
	counted time.Time
}

// countEvery is how often the states are counted.
const countEvery = 15 * time.Second

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
	for _, what := range []string{BotStopped, BotSuspended, ReactionsClosed} {
		m.ended.WithLabelValues(what)
	}
	return m
}

func (m *Metrics) end(what string) {
	if m != nil {
		m.ended.WithLabelValues(what).Inc()
	}
}

const countStates = `
SELECT count(*), 0, 0, 0 FROM bots WHERE stopped_at IS NOT NULL AND removed_at IS NULL
UNION ALL SELECT 0, count(*) FILTER (WHERE suspended_why NOT LIKE $1), count(*) FILTER (WHERE suspended_why LIKE $1), 0
FROM cast_members WHERE suspended_at IS NOT NULL AND suspended_why <> $2
UNION ALL SELECT 0, 0, 0, count(*) FROM chats WHERE allowed_reactions = '{}' AND removed_at IS NULL`

// count counts the states, if that was some time ago.
func (m *Metrics) count(ctx context.Context, db DB) error {
	if m == nil || !m.due() {
		return nil
	}
	rows, err := db.Query(ctx, `SELECT sum(a)::int, sum(b)::int, sum(c)::int, sum(d)::int FROM (`+countStates+`) s(a, b, c, d)`, Resting+"%", Quieted)
	if err != nil {
		return fmt.Errorf("count what Telegram refuses: %w", err)
	}
	defer rows.Close()
	var n [4]int
	for rows.Next() {
		if err := rows.Scan(&n[0], &n[1], &n[2], &n[3]); err != nil {
			return fmt.Errorf("count what Telegram refuses: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("count what Telegram refuses: %w", err)
	}
	for i, what := range []string{BotStopped, BotSuspended, BotResting, ReactionsClosed} {
		m.states.WithLabelValues(what).Set(float64(n[i]))
	}
	return nil
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
