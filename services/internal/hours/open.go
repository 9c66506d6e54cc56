package hours

import "time"

// Open tells whether any of the ranges contains the clock that local shows. No
// ranges at all are always open.
func Open(ranges []Range, local time.Time) bool {
	for _, r := range ranges {
		if r.Contains(local) {
			return true
		}
	}
	return len(ranges) == 0
}

// Next is the first instant at or after local at which Open holds: local itself
// if it does now. It follows the clock of local's zone through the days on which
// that clock is moved: hours that begin in a skipped hour open when the clock
// has jumped, and hours that the clock shows twice are open twice.
func Next(ranges []Range, local time.Time) time.Time {
	t := local
	for !Open(ranges, t) {
		next := t.Add(untilFirst(ranges, t))
		// The arithmetic holds only as long as the zone's offset does.
		if _, change := t.ZoneBounds(); !change.IsZero() && change.Before(next) {
			next = change
		}
		t = next
	}
	return t
}

// untilFirst returns how long it is until the first range begins, on a clock that is
// not moved meanwhile. It is never 0: a range contains its beginning.
func untilFirst(ranges []Range, t time.Time) time.Duration {
	hour, minute, second := t.Clock()
	now := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute +
		time.Duration(second)*time.Second + time.Duration(t.Nanosecond())
	first := time.Duration(day+1) * time.Minute
	for _, r := range ranges {
		wait := time.Duration(r.from)*time.Minute - now
		if wait <= 0 {
			wait += day * time.Minute
		}
		first = min(first, wait)
	}
	return first
}
