package cache

import "time"

// Clock is the time for otter's caches. It has none look for expired values each second,
// which wakes a process that has nothing to do: who reads finds them expired, and their
// number is bounded like that of all others.
type Clock struct{ untimed }

// NowNano is the time in nanoseconds since the Unix epoch.
func (Clock) NowNano() int64 { return time.Now().UnixNano() }

// untimed is a clock that never ticks.
type untimed struct{}

// Tick never does.
func (untimed) Tick(time.Duration) <-chan time.Time { return nil }
