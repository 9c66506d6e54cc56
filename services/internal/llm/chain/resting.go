package chain

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// maxUseless returns the number of useless answers in a row that open the breaker. It is larger
// than that of failures: the provider works, and another request may do better.
func maxUseless(failures int) int { return 2 * failures }

// maxResting is the longest time that a breaker stays open before a trial call.
const maxResting = 30 * time.Minute

// resting keeps what a breaker doesn't: the reason of its opening, the time since the last text,
// and the end of the rest. Each rest is twice as long as the one before, until there is a text. It
// logs one line when the provider begins to rest and one when it writes again. It is safe for
// concurrent use.
type resting struct {
	mu       sync.Mutex
	failures int       // in a row
	since    time.Time // time of the first of them
	last     error
	rests    int // in a row
	until    time.Time
	told     bool
}

// failed records a call without a text, and returns the number of such calls in a row.
func (r *resting) failed(err error) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures++; r.failures == 1 {
		r.since = time.Now()
	}
	r.last = err
	return r.failures
}

// wrote records a text.
func (r *resting) wrote() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures, r.last = 0, nil
}

// again records a trial without an outcome: the next rest is as long as the one before.
func (r *resting) again() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rests = max(r.rests-1, 0)
}

// begin starts a rest of at least shortest.
func (r *resting) begin(log *zap.Logger, shortest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	const doublings = 10
	length := max(shortest, min(shortest<<min(r.rests, doublings), maxResting))
	r.rests++
	r.until = time.Now().Add(length)
	if r.told {
		return
	}
	r.told = true
	log.Warn("a text provider gives no texts: it rests, and is tried again after that", zap.Error(r.last),
		zap.Int("failures", r.failures), zap.Duration("rests", length))
}

// end records that the breaker is closed.
func (r *resting) end(log *zap.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rests, r.until = 0, time.Time{}
	if r.told {
		log.Warn("a text provider is asked as usual again", zap.Duration("after", time.Since(r.since).Round(time.Millisecond)))
	}
	r.told = false
}

// left returns the remaining rest; 0 or less if there is none.
func (r *resting) left(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until.Sub(now)
}
