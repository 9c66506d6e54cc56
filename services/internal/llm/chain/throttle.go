package chain

import (
	"sync"
	"time"
)

// throttle is how long a provider is left alone that has said that it was asked too
// often: as long as it says, or else for 1, 2, 4 and up to 60 seconds. All calls keep
// to it, and the first one after it goes alone: the others follow once it was not
// throttled. It is safe for concurrent use.
type throttle struct {
	mu     sync.Mutex
	since  time.Time // when the wait began
	until  time.Time
	why    string
	steps  int  // answers in a row that throttled, one a round
	round  int  // rises with each of them: what was asked before says nothing new
	asking bool // the first call after a wait is under way
}

const (
	// minThrottled is the shortest wait.
	minThrottled = time.Second
	// maxThrottled is the longest wait of a provider that says nothing about it.
	maxThrottled = time.Minute
)

// left is how long the wait still is.
func (t *throttle) left(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.until.Sub(now)
}

// wait is why the provider is left alone, and since and until when; false if it isn't.
func (t *throttle) wait(now time.Time) (why string, since, until time.Time, waits bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.why, t.since, t.until, now.Before(t.until)
}

// enter lets a call through, if it may go. It must be told, over or leave after that.
func (t *throttle) enter(now time.Time) (round int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.steps > 0 {
		// A wait may have begun since the caller looked at what is left.
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

// over ends a call that was not throttled.
func (t *throttle) over(round int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if round == t.round {
		t.asking, t.steps = false, 0
	}
}

// told ends a call that was throttled, with the wait that was asked for; 0 is none.
func (t *throttle) told(now time.Time, round int, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if round == t.round {
		t.asking = false
		t.round++
		t.steps++
		if wait == 0 {
			const doublings = 6 // 64 s is above the most
			wait = min(minThrottled<<min(t.steps-1, doublings), maxThrottled)
		}
	}
	t.extend(now, max(wait, minThrottled), "it says that it was asked too often")
}

// rest waits before there is a reason to complain.
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
