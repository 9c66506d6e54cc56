package sender

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"go.uber.org/zap"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

// breakers holds one circuit breaker per bot and kind of delivery. Only transport errors
// and 5xx count as failures: a 400 or a 429 is a response. A bot's failures don't affect
// other bots.
type breakers struct {
	cfg     Config
	metrics *Metrics
	log     *zap.Logger
	outages *outage.Log

	mu    sync.Mutex
	byKey map[breakerKey]circuitbreaker.CircuitBreaker[any]
	since map[breakerKey]time.Time // time of the last state change
	names map[int64]string         // by bot id
}

func newBreakers(cfg Config, metrics *Metrics, log *zap.Logger) *breakers {
	return &breakers{
		cfg: cfg, metrics: metrics, log: log,
		outages: outage.New(log, "Telegram fails for a bot, whose calls wait (/breakers tells which ones do)", "Telegram works again for a bot"),
		byKey:   make(map[breakerKey]circuitbreaker.CircuitBreaker[any]), since: make(map[breakerKey]time.Time), names: make(map[int64]string),
	}
}

// breakerKey names a bot's deliveries of one kind. Failing reactions say little about
// messages, and must not delay them.
type breakerKey struct {
	bot    int64
	action chorusv1.Action
}

func keyOf(d *chorusv1.Delivery) breakerKey { return breakerKey{d.GetBotId(), d.GetAction()} }

// of returns the breaker for a key. There are few keys per bot, so the map needs no limit.
func (b *breakers) of(l breakerKey) circuitbreaker.CircuitBreaker[any] {
	b.mu.Lock()
	defer b.mu.Unlock()
	cb, ok := b.byKey[l]
	if !ok {
		cb = circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(uint(b.cfg.BreakerFailures)).
			// One call shows whether Telegram works again, so the first success closes the
			// breaker. Other calls wait for it.
			WithSuccessThreshold(1).
			WithDelay(b.cfg.BreakerDelay).
			OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
				b.metrics.breaker(e.OldState, e.NewState)
				b.tell(e)
				b.changed(l)
				b.log.Debug("breaker", zap.Int64("bot_id", l.bot), zap.Stringer("action", l.action), zap.Stringer("from", e.OldState), zap.Stringer("to", e.NewState))
			}).
			Build()
		b.byKey[l] = cb
	}
	return cb
}

// tell logs the first breaker that opens, and one that closes.
func (b *breakers) tell(e circuitbreaker.StateChangedEvent) {
	switch e.NewState {
	case circuitbreaker.OpenState:
		b.outages.Note(errFails)
	case circuitbreaker.ClosedState:
		b.outages.Note(nil)
	case circuitbreaker.HalfOpenState:
	}
}

var errFails = errors.New("too many failures in a row")

func (b *breakers) changed(l breakerKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since[l] = time.Now()
}

// named stores a bot's name for Breakers.
func (b *breakers) named(bot int64, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names[bot] = name
}

// delay returns how much longer the delivery's breaker stays open.
func (b *breakers) delay(d *chorusv1.Delivery) time.Duration {
	if cb := b.of(keyOf(d)); cb.IsOpen() {
		return cb.RemainingDelay()
	}
	return 0
}

// probeWait is the wait of a lane while another lane of the same breaker makes the probe of
// a half-open breaker.
const probeWait = time.Second

// around returns middleware that makes a delivery's calls while its breaker allows them.
// While this sender may be cut off from Telegram, a missing response doesn't count as a
// failure.
func (b *breakers) around(d *chorusv1.Delivery, suspect func() bool) telegram.Middleware {
	return func(next telegram.Invoke) telegram.Invoke {
		return func(ctx context.Context, call *telegram.Call) telegram.Outcome {
			cb := b.of(keyOf(d))
			if !cb.TryAcquirePermit() {
				return telegram.Outcome{Kind: telegram.NotSent, Withheld: true, Description: "the breaker is open"}
			}
			out := next(ctx, call)
			switch {
			case (out.TooLate || suspect() && out.Status == 0) && !cb.IsHalfOpen(): // this process' trouble, not Telegram's
			case out.Kind == telegram.NotSent, out.Kind == telegram.Unknown:
				cb.RecordFailure()
			default:
				cb.RecordSuccess()
			}
			return out
		}
	}
}

// BreakerState describes one breaker for operators.
type BreakerState struct {
	BotID int64  `json:"bot_id"`
	Bot   string `json:"bot"`
	// Action is the kind of the bot's deliveries.
	Action string `json:"action"`
	// State is closed, open or half-open.
	State string `json:"state"`
	// Failures counts consecutive failures.
	Failures uint `json:"failures"`
	// OpenFor is the remaining time until a probe, in seconds; 0 unless it is open.
	OpenFor float64 `json:"open_for_s"`
	// Since is the time of the last state change; zero if it was never open.
	Since time.Time `json:"since,omitzero"`
}

// Breakers returns the breakers of this process, sorted by bot and action. Bots that it has
// not sent for have none.
func (s *Sender) Breakers() []BreakerState { return s.breakers.states() }

func (b *breakers) states() []BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	states := make([]BreakerState, 0, len(b.byKey))
	for l, cb := range b.byKey {
		states = append(states, BreakerState{
			BotID: l.bot, Bot: b.names[l.bot], Action: subject.ActionName(l.action),
			State: cb.State().String(), Failures: cb.Metrics().Failures(), OpenFor: cb.RemainingDelay().Seconds(), Since: b.since[l],
		})
	}
	slices.SortFunc(states, func(a, b BreakerState) int {
		return cmp.Or(cmp.Compare(a.BotID, b.BotID), cmp.Compare(a.Action, b.Action))
	})
	return states
}

// ServeBreakers responds with the breakers as JSON. The query ?state=open selects by state.
func (s *Sender) ServeBreakers(w http.ResponseWriter, r *http.Request) {
	states := s.Breakers()
	if want := r.URL.Query().Get("state"); want != "" {
		states = slices.DeleteFunc(states, func(b BreakerState) bool { return b.State != want })
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(struct { // an error means that the client has disconnected
		Breakers []BreakerState `json:"breakers"`
	}{states})
}
