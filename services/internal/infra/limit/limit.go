// Package limit keeps the calls of many lanes, in any number of processes,
// below the limits of the accounts that make them, and holds them back for as
// long as the other side asks.
//
// A call takes one token from each of several buckets: one of its bot, and those
// of the bot in the chat. All of them are taken in one step or none is. Nothing
// is shared between bots, because Telegram counts each bot by itself.
//
// The buckets follow the generic cell rate algorithm: a bucket is one instant,
// the one at which it is full again, and a full bucket is not stored at all.
package limit

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/infra/metric"
)

// Limiter says when calls may be made. It is safe for concurrent use, and is
// there in three forms: Local for one process, Redis for many, and Shared, which
// uses Redis as long as it answers.
type Limiter interface {
	// Reserve takes the tokens of one call, unless it would have to wait for
	// longer than maxWait, or the bot is cooling. maxWait is LongestQueue at most.
	Reserve(ctx context.Context, c Call, maxWait time.Duration) (Verdict, error)
	// Cool holds a bot back in a chat for a time, which prolongs what is left of
	// an earlier one and never shortens it. A bot that was cooled in two chats or
	// more within the limiter's window is held back everywhere, for the longest of
	// their times; other bots never are.
	Cool(ctx context.Context, bot, chat int64, length time.Duration) error
	// Cooling is how long the bot is still held back in the chat.
	Cooling(ctx context.Context, bot, chat int64) (time.Duration, error)
}

var (
	_ Limiter = (*Local)(nil)
	_ Limiter = (*Redis)(nil)
	_ Limiter = (*Shared)(nil)
)

// LongestQueue is the longest wait that is ever granted. A bucket that would be
// waited for longer is no bucket but a mistake.
const LongestQueue = time.Minute

// Call is what a call is counted as.
type Call struct {
	Bot, Chat int64
	// OfBot limits all calls of the bot. Lanes queue for its tokens: what is
	// granted is a place in that queue.
	OfBot Rate
	// InChat limits the bot in the chat; the order tells the buckets apart. Only
	// the chat's lane uses them, so there is no queue: who must wait for one is
	// refused and takes nothing, least of all a token of the bot that another
	// lane could use meanwhile.
	InChat []Rate
}

// Verdict is the answer to a call.
type Verdict struct {
	// Granted says that the tokens are taken, for use after Wait, which is not
	// longer than the caller said. Otherwise nothing is taken, and to ask again
	// before Wait is over is in vain.
	Granted bool
	Wait    time.Duration
}

// Rate is how a bucket fills.
type Rate struct {
	// Every is the time in which a token comes. It is whole microseconds, the
	// resolution of Redis' clock.
	Every time.Duration
	// Ahead is how far ahead of its time a token may be used: a bucket holds one
	// token more than come in that time.
	Ahead time.Duration
}

// NewRate is a number of tokens in a time, of which burst may be used at once.
//
// What is granted evenly arrives unevenly: the first call of a burst may be slow
// and the last one quick. So calls beyond a burst come later by the margin. That
// costs the margin once, not at every call, and a bucket of one token, which has
// no burst, costs nothing and has no margin.
func NewRate(tokens float64, per time.Duration, burst int, margin time.Duration) Rate {
	every := time.Duration(math.Ceil(float64(per.Microseconds())/tokens)) * time.Microsecond
	ahead := time.Duration(burst-1)*every - margin
	return Rate{Every: every, Ahead: max(ahead.Truncate(time.Microsecond), 0)}
}

// share is the rate of each of n processes that can't speak to one another.
// Together they have the same rate and burst.
func (r Rate) share(n int) Rate {
	n = max(n, 1)
	return Rate{
		Every: r.Every * time.Duration(n),
		Ahead: max(r.Ahead-r.Every*time.Duration(n-1), 0),
	}
}

// Metrics counts what a shared limiter does.
type Metrics struct {
	reservations *prometheus.CounterVec
	failures     prometheus.Counter
	answering    prometheus.Gauge
}

// Who decided.
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
