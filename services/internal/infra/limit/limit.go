// Package limit keeps the calls of many lanes, in any number of processes, below the limits
// of their bots' accounts, and holds them back for as long as Telegram demands.
//
// A call takes one token from each of several buckets: the bot's, and those of the bot in
// the chat. It takes all of them in one step, or none. Bots share nothing, because Telegram
// counts each bot separately.
//
// The buckets use the generic cell rate algorithm: a bucket is stored as the time when it
// is full again, and a full bucket isn't stored at all.
package limit

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/infra/metric"
)

// Limiter decides when calls may be made. It is safe for concurrent use. There are three
// implementations: Local for one process, Redis for many, and Shared, which uses Redis
// while it responds.
type Limiter interface {
	// Reserve takes the tokens of one call, unless it would have to wait for longer than
	// maxWait, or the bot is cooling. maxWait is limited to LongestQueue.
	Reserve(ctx context.Context, c Call, maxWait time.Duration) (Verdict, error)
	// Cool holds a bot back in a chat for a time. It may lengthen an earlier cool-down and
	// never shortens it. A bot that was cooled in two chats or more within the limiter's
	// window is held back everywhere, until the latest end. Other bots aren't affected.
	Cool(ctx context.Context, bot, chat int64, length time.Duration) error
	// Cooling returns how much longer the bot is held back in the chat.
	Cooling(ctx context.Context, bot, chat int64) (time.Duration, error)
}

var (
	_ Limiter = (*Local)(nil)
	_ Limiter = (*Redis)(nil)
	_ Limiter = (*Shared)(nil)
)

// LongestQueue is the longest wait that is ever granted. A bucket with a longer wait is a
// mistake.
const LongestQueue = time.Minute

// Call holds the buckets of a call.
type Call struct {
	Bot, Chat int64
	// OfBot limits all calls of the bot. Lanes queue for its tokens: a grant is a place in
	// the queue.
	OfBot Rate
	// InChat limits the bot in the chat; buckets are identified by their order. Only the
	// chat's lane uses them, so there is no queue: a call that would have to wait is
	// refused and takes nothing. Otherwise it would hold a token of the bot that another
	// lane could use.
	InChat []Rate
}

// Verdict is the limiter's answer to a call.
type Verdict struct {
	// Granted says that the tokens are taken, for use after Wait, which doesn't exceed
	// maxWait. Otherwise nothing is taken, and asking again before Wait is over is useless.
	Granted bool
	Wait    time.Duration
}

// Rate describes how a bucket fills.
type Rate struct {
	// Every is the time per token, in whole microseconds, the resolution of Redis' clock.
	Every time.Duration
	// Ahead is how long before its time a token may be used. A bucket's capacity is the
	// tokens of that time plus one.
	Ahead time.Duration
}

// NewRate returns the rate of a number of tokens in a time, with a burst.
//
// Calls that are granted evenly arrive unevenly: the first call of a burst may be slow and
// the last one quick. So calls beyond a burst are delayed by the margin. It delays a
// sequence of calls once, not each call. A bucket of one token has no burst and needs no
// margin.
func NewRate(tokens float64, per time.Duration, burst int, margin time.Duration) Rate {
	every := time.Duration(math.Ceil(float64(per.Microseconds())/tokens)) * time.Microsecond
	ahead := time.Duration(burst-1)*every - margin
	return Rate{Every: every, Ahead: max(ahead.Truncate(time.Microsecond), 0)}
}

// share returns the rate for each of n processes that can't communicate. Together they have
// the same rate and burst.
func (r Rate) share(n int) Rate {
	n = max(n, 1)
	return Rate{
		Every: r.Every * time.Duration(n),
		Ahead: max(r.Ahead-r.Every*time.Duration(n-1), 0),
	}
}

// Metrics holds the metrics of a shared limiter.
type Metrics struct {
	reservations *prometheus.CounterVec
	failures     prometheus.Counter
	answering    prometheus.Gauge
}

// Values of the label by.
const (
	byRedis   = "redis"
	byProcess = "process"
)

// NewMetrics registers the metrics of a shared limiter.
func NewMetrics(r prometheus.Registerer) *Metrics {
	return &Metrics{
		reservations: metric.Counters(r, "chorus_limit_reservations_total", "Calls that asked for their tokens, by who decided and what.", "by", "verdict"),
		failures:     metric.Counter(r, "chorus_limit_redis_failures_total", "Questions about limits that Redis failed to answer in time."),
		answering:    metric.Gauge(r, "chorus_limit_shared", "1 while limits are shared through Redis, 0 while each process keeps to its share."),
	}
}

func (m *Metrics) reserved(by string, granted bool) {
	verdict := "refused"
	if granted {
		verdict = "granted"
	}
	m.reservations.WithLabelValues(by, verdict).Inc()
}

func (m *Metrics) failed() { m.failures.Inc() }

func (m *Metrics) shared(yes bool) { m.answering.Set(metric.Truth(yes)) }
