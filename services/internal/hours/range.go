// Package hours implements daily hours such as 22:00-02:00: whether a local time is within them,
// and when they open next.
package hours

import (
	"fmt"
	"strings"
	"time"
)

const day = 24 * 60

// Range is a part of every day, from a minute (inclusive) to another one (exclusive). It may cross
// midnight. The zero Range is the whole day. It is comparable and never changes.
type Range struct {
	// Minutes since midnight, both below 24 hours; equal for the whole day.
	from, to int16
}

// Parse reads HH:MM-HH:MM. The end may be 24:00, the same as 00:00; the whole day is 00:00-24:00.
// Equal begin and end are an error, because they might mean all or nothing.
func Parse(s string) (Range, error) {
	begin, end, found := strings.Cut(s, "-")
	from, ok := parseClock(begin)
	to, ok2 := parseClock(end)
	if !found || !ok || !ok2 || from == day {
		return Range{}, fmt.Errorf("hours %q: want HH:MM-HH:MM, such as 09:30-18:00 or 22:00-02:00", s)
	}
	if from == to || from == to+day {
		return Range{}, fmt.Errorf("hours %q: begin and end are the same; want 00:00-24:00 for the whole day", s)
	}
	return Range{from: from, to: to % day}, nil
}

// ParseAll reads several ranges. It stops at the first error.
func ParseAll(texts []string) ([]Range, error) {
	ranges := make([]Range, 0, len(texts))
	for _, text := range texts {
		r, err := Parse(text)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// parseClock reads exactly HH:MM, up to 24:00, as minutes.
func parseClock(s string) (int16, bool) {
	if len(s) != len("HH:MM") || s[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	hour, minute := int16(s[0]-'0')*10+int16(s[1]-'0'), int16(s[3]-'0')*10+int16(s[4]-'0')
	at := hour*60 + minute
	return at, minute < 60 && at <= day
}

// String returns the range in the format of Parse; an end at midnight is 24:00.
func (r Range) String() string {
	to := r.to
	if to == 0 {
		to = day
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", r.from/60, r.from%60, to/60, to%60)
}

// MarshalText returns String, for JSON and YAML. It never fails.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses a range.
func (r *Range) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// Contains reports whether the local time, in its own zone, is inside the range.
func (r Range) Contains(local time.Time) bool {
	hour, minute, _ := local.Clock()
	at := int16(hour*60 + minute) //nolint:gosec // below 24 hours
	if r.from < r.to {
		return r.from <= at && at < r.to
	}
	return at >= r.from || at < r.to
}

// Open reports whether one of the ranges contains the local time. Without ranges it is always open.
func Open(ranges []Range, local time.Time) bool {
	for _, r := range ranges {
		if r.Contains(local) {
			return true
		}
	}
	return len(ranges) == 0
}

// Next returns the first instant at or after local at which Open holds. It follows clock changes of
// local's zone: a range that begins in a skipped hour opens after the jump, and a range in a
// repeated hour opens twice.
func Next(ranges []Range, local time.Time) time.Time {
	t := local
	for !Open(ranges, t) {
		next := t.Add(untilFirst(ranges, t))
		// untilFirst is right only until the zone's offset changes.
		if _, change := t.ZoneBounds(); !change.IsZero() && change.Before(next) {
			next = change
		}
		t = next
	}
	return t
}

// untilFirst returns the time until the first range begins, if the clock doesn't change. It is
// never 0: a range contains its beginning.
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
