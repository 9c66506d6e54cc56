package limit

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/outage"
	"github.com/chorus-cast/chorus/services/internal/infra/redisdb"
)

// Shared is a limiter for many processes that also works without Redis.
//
// Redis decides while it responds. When it is slow, down or returns garbage, the process
// decides alone, within its share of a bot's rate, and probes Redis once a second. So a
// call is never delayed for longer than the time-out, and never fails. When Redis is back,
// the process stays within its share until all others had time to notice it. A process that
// alone has lost Redis adds its share to what the others use; if that is too much, Telegram
// returns a 429.
//
// Redis' grants are also counted in the process, and cool-downs are stored in both, so a
// change between them loses neither. After a change the bot's bucket counts as empty, and
// its next call comes after those that already queue. That costs one burst, and prevents
// two bursts in a row.
type Shared struct {
	redis   *Redis
	local   *Local
	timeout time.Duration
	breaker circuitbreaker.CircuitBreaker[any]
	metrics *Metrics
	log     *zap.Logger
	outages *outage.Log

	mu sync.Mutex
	// failed is the reason of Redis' last failure.
	failed error
	// settled is the time when every process has noticed that Redis is back.
	settled time.Time
	// alone holds the bots whose last call was not counted in Redis.
	alone map[int64]bool
}

const (
	breakerFailures = 3
	breakerDelay    = time.Second
)

// NewShared returns a limiter that uses redis, with the given time-out, and otherwise
// local. metrics may be nil.
func NewShared(redis *Redis, local *Local, timeout time.Duration, metrics *Metrics, log *zap.Logger) *Shared {
	metrics = cmp.Or(metrics, NewMetrics(nil))
	s := &Shared{redis: redis, local: local, timeout: timeout, metrics: metrics, log: log, alone: make(map[int64]bool)}
	s.outages = outage.New(log, "Redis can't be used: this process keeps to its share of the limits", "Redis answers: the limits are shared again")
	s.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(breakerFailures).
		WithSuccessThreshold(1).
		WithDelay(breakerDelay).
		OnOpen(func(circuitbreaker.StateChangedEvent) {
			s.metrics.shared(false)
			err := s.reason()
			s.outages.Note(errors.New(redisdb.Explain(err).Found))
		}).
		OnClose(func(circuitbreaker.StateChangedEvent) {
			s.settle()
			s.metrics.shared(true)
			s.outages.Note(nil)
		}).
		Build()
	s.metrics.shared(true)
	return s
}

// Reserve takes the tokens of a call. It never returns an error.
func (s *Shared) Reserve(ctx context.Context, c Call, maxWait time.Duration) (Verdict, error) {
	// A call that this process knows to be refused isn't sent to Redis.
	if wait := s.local.held(c); wait > 0 {
		s.metrics.reserved(byProcess, false)
		return Verdict{Wait: wait}, nil
	}
	a, err := s.decide(ctx, c, maxWait)
	if err != nil {
		v := s.local.reserveAlone(c, maxWait, !s.setAlone(c.Bot, true))
		s.metrics.reserved(byProcess, v.Granted)
		return v, nil //nolint:nilerr // the process's own limits stand in for Redis
	}
	s.setAlone(c.Bot, false)
	if a.Granted {
		s.local.count(c, a.Wait)
	} else {
		s.local.chill(c.Bot, c.Chat, a)
	}
	s.metrics.reserved(byRedis, a.Granted)
	return a.Verdict, nil
}

// decide asks Redis to decide.
func (s *Shared) decide(ctx context.Context, c Call, maxWait time.Duration) (answer, error) {
	s.mu.Lock()
	settled, alone := !time.Now().Before(s.settled), s.alone[c.Bot]
	s.mu.Unlock()
	from := asItIs
	if alone {
		from = s.local.queue(c)
	}
	if !settled {
		c.OfBot = c.OfBot.share(s.local.replicas())
	}
	return ask(ctx, s, func(ctx context.Context) (answer, error) { return s.redis.ask(ctx, c, maxWait, from) })
}

// Cool holds a bot back in a chat: in this process at once and reliably, in others when
// they ask Redis. It never returns an error.
func (s *Shared) Cool(ctx context.Context, bot, chat int64, length time.Duration) error {
	_ = s.local.Cool(ctx, bot, chat, length) // never fails
	_, err := ask(ctx, s, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.redis.Cool(ctx, bot, chat, length)
	})
	if err != nil {
		s.log.Debug("Redis does not know of a cool-down", zap.Int64("bot_id", bot), zap.Int64("chat_id", chat),
			zap.Duration("length", length), zap.Error(err))
	}
	return nil
}

// Cooling returns how much longer the bot is held back in the chat. It never returns an
// error.
func (s *Shared) Cooling(ctx context.Context, bot, chat int64) (time.Duration, error) {
	here, _ := s.local.Cooling(ctx, bot, chat) // never fails
	a, err := ask(ctx, s, func(ctx context.Context) (answer, error) { return s.redis.cooling(ctx, bot, chat) })
	if err != nil {
		return here, nil //nolint:nilerr // what is known here holds
	}
	s.local.chill(bot, chat, a)
	return max(here, a.Wait), nil
}

var errNotAsked = errors.New("redis is left alone for a moment because it failed")

// ask asks Redis, within the time-out, unless it has just failed repeatedly.
func ask[T any](ctx context.Context, s *Shared, question func(context.Context) (T, error)) (T, error) {
	if !s.breaker.TryAcquirePermit() {
		var none T
		return none, errNotAsked
	}
	// A caller that gives up doesn't count as a failure of Redis.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	got, err := question(ctx)
	if err != nil {
		s.fails(err)
		s.breaker.RecordFailure()
		s.metrics.failed()
		s.log.Debug("Redis failed", zap.Error(err))
		return got, err
	}
	s.breaker.RecordSuccess()
	return got, nil
}

func (s *Shared) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
}

// reason returns the reason of Redis' last failure.
func (s *Shared) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// settle sets the time by which all other processes have probed Redis.
func (s *Shared) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = time.Now().Add(breakerDelay + s.timeout)
}

// setAlone sets whether the bot's last call was decided without Redis, and returns the
// previous value.
func (s *Shared) setAlone(bot int64, alone bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.alone[bot]
	if alone {
		s.alone[bot] = true
	} else {
		delete(s.alone, bot)
	}
	return was
}
