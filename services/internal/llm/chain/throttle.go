package chain

import (
	"sync"
	"time"
)

// throttle pauses a provider that answered that it is asked too often: as long as it says, or else
// for 1, 2, 4 and up to 60 seconds. All calls keep to the pause. The first call after it goes
// alone; the others follow if it wasn't throttled. It is safe for concurrent use.
type throttle struct {
	mu     sync.Mutex
	since  time.Time // beginning of the pause
	until  time.Time
	why    string
	steps  int  // throttled answers in a row, at most one per round
	round  int  // rises with each such answer: calls from before it are ignored
	asking bool // the first call after a pause is in flight
}

const (
	// minThrottled is the shortest wait.
	minThrottled = time.Second
	// maxThrottled is the longest wait if the provider doesn't say how long.
	maxThrottled = time.Minute
)

// left returns the remaining wait.
func (t *throttle) left(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.until.Sub(now)
}

// wait returns the reason, beginning and end of the pause; waits is false if there is none.
func (t *throttle) wait(now time.Time) (why string, since, until time.Time, waits bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.why, t.since, t.until, now.Before(t.until)
}

// enter reports whether a call may go. If so, the caller must then call told, over or leave.
func (t *throttle) enter(now time.Time) (round int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.steps > 0 {
		// A wait may have begun since the caller checked left.
		if t.asking || now.Before(t.until) {
			return 0, false
		}
		t.asking = true
	}
	return t.round, true
}

// leave ends a call that says nothing about the limit.
func (t *throttle) leave(round int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if round == t.round {
		t.asking = false
	}
}

// over ends a call that wasn't throttled.
func (t *throttle) over(round int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if round == t.round {
		t.asking, t.steps = false, 0
	}
}

// told ends a call that was throttled, with the wait that the provider asks for; 0 if it doesn't
// say.
func (t *throttle) told(now time.Time, round int, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if round == t.round {
		t.asking = false
		t.round++
		t.steps++
		if wait == 0 {
			const doublings = 6 // 64 s is above the maximum
			wait = min(minThrottled<<min(t.steps-1, doublings), maxThrottled)
		}
	}
	t.extend(now, max(wait, minThrottled), "it says that it was asked too often")
}

// rest pauses the provider because its limit is used up, before it throttles a call.
func (t *throttle) rest(now time.Time, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.extend(now, wait, "its last answer says that a limit is used up")
}

func (t *throttle) extend(now time.Time, wait time.Duration, why string) {
	until := now.Add(wait)
	if !until.After(t.until) {
		return
	}
	if !now.Before(t.until) {
		t.since = now
	}
	t.until, t.why = until, why
}
