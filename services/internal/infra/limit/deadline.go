package limit

import "time"

// deadlines are instants that mean nothing once they are over. They are no
// cache: to drop one that is not over would let a call through. There are as
// many as calls were made within the longest of the times, so no bound is
// needed, only that those that are over are swept out.
type deadlines[K comparable] struct {
	of        map[K]time.Time
	sweepSize int // size at which they are swept
}

const sweepAt = 1024

func newDeadlines[K comparable]() deadlines[K] {
	return deadlines[K]{of: make(map[K]time.Time), sweepSize: sweepAt}
}

func (d *deadlines[K]) set(key K, at, now time.Time) {
	d.of[key] = at
	if len(d.of) < d.sweepSize {
		return
	}
	for k, at := range d.of {
		if !at.After(now) {
			delete(d.of, k)
		}
	}
	// What is swept was set since the last time, so a sweep costs each of them
	// the same, however many stay.
	d.sweepSize = max(sweepAt, 2*len(d.of))
}

// extend sets a deadline unless there is a later one.
func (d *deadlines[K]) extend(key K, at, now time.Time) {
	if at.After(d.of[key]) {
		d.set(key, at, now)
	}
}

// left is the time until the deadline.
func (d *deadlines[K]) left(key K, now time.Time) time.Duration {
	return max(d.of[key].Sub(now), 0)
}
