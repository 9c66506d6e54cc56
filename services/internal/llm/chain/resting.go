package chain

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// useless is how many answers of no use, one after the other, make a provider rest as
// failures do. One is no illness, and another request may do better: so more are needed.
func useless(failures int) int { return 2 * failures }

// maxResting is how long a provider rests at most before it is tried again.
const maxResting = 30 * time.Minute

// resting is what a provider's breaker does not know: why it is open, since when nothing
// was written, and until when, because each rest is twice as long as the one before until
// something is. The log gets one line when a provider begins to rest and one when it
// writes again. It is safe for concurrent use.
type resting struct {
	mu       sync.Mutex
	failures int       // in a row
	since    time.Time // when the first of them was
	last     error
	rests    int // in a row
	until    time.Time
	told     bool
}

// failed notes a call that gave no text, and tells how many there were in a row.
func (r *resting) failed(err error) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures++; r.failures == 1 {
		r.since = time.Now()
	}
	r.last = err
	return r.failures
}

// wrote notes a text.
func (r *resting) wrote() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures, r.last = 0, nil
}

// again notes a try that told nothing: the next rest is as long as the one before.
func (r *resting) again() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rests = max(r.rests-1, 0)
}

// begin begins a rest, of at least the shortest.
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

// end notes that the provider is asked as usual.
func (r *resting) end(log *zap.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rests, r.until = 0, time.Time{}
	if r.told {
		log.Warn("a text provider is asked as usual again", zap.Duration("after", time.Since(r.since).Round(time.Millisecond)))
	}
	r.told = false
}

// left is how long the rest still is; not more than 0 for none.
func (r *resting) left(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until.Sub(now)
}
