package sender

import (
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/telegram"
)

// breakers holds one breaker for each bot. Only transport errors and 5xx count:
// a 400 or a 429 is an answer, and a bot's trouble is not another's.
type breakers struct {
	cfg     Config
	metrics *Metrics
	log     *zap.Logger

	mu    sync.Mutex
	byBot map[int64]circuitbreaker.CircuitBreaker[any]
}

func newBreakers(cfg Config, metrics *Metrics, log *zap.Logger) *breakers {
	return &breakers{cfg: cfg, metrics: metrics, log: log, byBot: make(map[int64]circuitbreaker.CircuitBreaker[any])}
}

// of is a bot's breaker. There are as many as bots, so the map needs no bound.
func (b *breakers) of(bot int64) circuitbreaker.CircuitBreaker[any] {
	b.mu.Lock()
	defer b.mu.Unlock()
	cb, ok := b.byBot[bot]
	if !ok {
		cb = circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(uint(b.cfg.BreakerFailures)).
			WithDelay(b.cfg.BreakerDelay).
			OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
				b.metrics.breaker(e.OldState, e.NewState)
				b.log.Warn("breaker", zap.Int64("bot_id", bot), zap.Stringer("from", e.OldState), zap.Stringer("to", e.NewState))
			}).
			Build()
		b.byBot[bot] = cb
	}
	return cb
}

// delay is how long the bot's breaker stays open.
func (b *breakers) delay(bot int64) time.Duration {
	if cb := b.of(bot); cb.IsOpen() {
		return cb.RemainingDelay()
	}
	return 0
}

// probeWait is how long a lane waits while another lane of the same bot makes
// the probe of a half-open breaker.
const probeWait = time.Second

// permit gives leave to make one call, whose outcome must be recorded: a permit
// that is taken and not used would keep a half-open breaker from ever closing.
func (b *breakers) permit(bot int64) bool { return b.of(bot).TryAcquirePermit() }

func (b *breakers) record(bot int64, out telegram.Outcome) {
	switch out.Kind {
	case telegram.NotSent, telegram.Unknown:
		b.of(bot).RecordFailure()
	default:
		b.of(bot).RecordSuccess()
	}
}
