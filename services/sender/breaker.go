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

// breakers holds a breaker for each kind of deliveries of each bot. Only transport errors
// and 5xx count: a 400 or a 429 is an answer, and a bot's trouble is not another's.
type breakers struct {
	cfg     Config
	metrics *Metrics
	log     *zap.Logger
	outages *outage.Log

	mu     sync.Mutex
	byLine map[line]circuitbreaker.CircuitBreaker[any]
	since  map[line]time.Time // when its state changed last
	names  map[int64]string   // of the bots
}

func newBreakers(cfg Config, metrics *Metrics, log *zap.Logger) *breakers {
	return &breakers{
		cfg: cfg, metrics: metrics, log: log,
		outages: outage.New(log, "Telegram fails for a bot, whose calls wait (/breakers tells which ones do)", "Telegram works again for a bot"),
		byLine:  make(map[line]circuitbreaker.CircuitBreaker[any]), since: make(map[line]time.Time), names: make(map[int64]string),
	}
}

// line is a bot's deliveries of one kind. Reactions that fail say little about
// messages, and must not hold them up.
type line struct {
	bot    int64
	action chorusv1.Action
}

func lineOf(d *chorusv1.Delivery) line { return line{d.GetBotId(), d.GetAction()} }

// of is the breaker of a line. There are few for each bot, so the map needs no bound.
func (b *breakers) of(l line) circuitbreaker.CircuitBreaker[any] {
	b.mu.Lock()
	defer b.mu.Unlock()
	cb, ok := b.byLine[l]
	if !ok {
		cb = circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(uint(b.cfg.BreakerFailures)).
			// One call shows whether Telegram is back, so the first that succeeds
			// closes the breaker again. Others wait for it.
			WithSuccessThreshold(1).
			WithDelay(b.cfg.BreakerDelay).
			OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
				b.metrics.breaker(e.OldState, e.NewState)
				b.tell(e)
				b.changed(l)
				b.log.Debug("breaker", zap.Int64("bot_id", l.bot), zap.Stringer("action", l.action), zap.Stringer("from", e.OldState), zap.Stringer("to", e.NewState))
			}).
			Build()
		b.byLine[l] = cb
	}
	return cb
}

// tell tells of the first breaker that opens, and of one that closes.
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

func (b *breakers) changed(l line) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since[l] = time.Now()
}

// named remembers a bot's name, for who looks at its breakers.
func (b *breakers) named(bot int64, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names[bot] = name
}

// delay is how long the delivery's breaker stays open.
func (b *breakers) delay(d *chorusv1.Delivery) time.Duration {
	if cb := b.of(lineOf(d)); cb.IsOpen() {
		return cb.RemainingDelay()
	}
	return 0
}

// probeWait is how long a lane waits while another lane of the same line makes
// the probe of a half-open breaker.
const probeWait = time.Second

// around makes a delivery's calls while its breaker lets them through. While this sender
// may be the one that is cut off, no answer is no news of Telegram, and opens no breaker.
func (b *breakers) around(d *chorusv1.Delivery, suspect func() bool) telegram.Middleware {
	return func(next telegram.Invoke) telegram.Invoke {
		return func(ctx context.Context, call *telegram.Call) telegram.Outcome {
			cb := b.of(lineOf(d))
			if !cb.TryAcquirePermit() {
				return telegram.Outcome{Kind: telegram.NotSent, Withheld: true, Description: "the breaker is open"}
			}
			out := next(ctx, call)
			switch {
			case (out.TooLate || suspect() && out.Status == 0) && !cb.IsHalfOpen(): // this process's trouble: no news of Telegram
			case out.Kind == telegram.NotSent, out.Kind == telegram.Unknown:
				cb.RecordFailure()
			default:
				cb.RecordSuccess()
			}
			return out
		}
	}
}

// BreakerState is one breaker as operators see it.
type BreakerState struct {
	BotID int64  `json:"bot_id"`
	Bot   string `json:"bot"`
	// Action is which of the bot's deliveries it is about.
	Action string `json:"action"`
	// State is closed, open or half-open.
	State string `json:"state"`
	// Failures are those in a row that count.
	Failures uint `json:"failures"`
	// OpenFor is how long it stays open, in seconds; 0 unless it is open.
	OpenFor float64 `json:"open_for_s"`
	// Since is when it came into its state; zero if it was never open.
	Since time.Time `json:"since,omitzero"`
}

// Breakers are the breakers of this process, in the order of bots and actions:
// of each bot that it has sent for.
func (s *Sender) Breakers() []BreakerState { return s.breakers.states() }

func (b *breakers) states() []BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	states := make([]BreakerState, 0, len(b.byLine))
	for l, cb := range b.byLine {
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

// ServeBreakers answers with the breakers as JSON. The query ?state=open leaves
// the others out.
func (s *Sender) ServeBreakers(w http.ResponseWriter, r *http.Request) {
	states := s.Breakers()
	if want := r.URL.Query().Get("state"); want != "" {
		states = slices.DeleteFunc(states, func(b BreakerState) bool { return b.State != want })
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(struct { // the client is gone
		Breakers []BreakerState `json:"breakers"`
	}{states})
}
