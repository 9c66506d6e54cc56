package limit

import "time"

// bucket is a rate and the instant at which its bucket is full again.
type bucket struct {
	Rate

	full time.Time
}

// free returns when the next token may be used.
func (b bucket) free() time.Time { return b.full.Add(-b.Ahead) }

// take is the instant at which the bucket is full again after a token was used.
func (b bucket) take(at time.Time) time.Time { return later(b.full, at).Add(b.Every) }

// decide says whether a call gets its tokens. The script reserve.lua does the
// same, and a test compares them.
func decide(now time.Time, maxWait time.Duration, bot bucket, inChat []bucket) Verdict {
	queue, own := later(now, bot.free()), now
	for _, b := range inChat {
		own = later(own, b.free())
	}
	if own.After(queue) {
		return Verdict{Wait: own.Sub(now)}
	}
	wait := queue.Sub(now)
	return Verdict{Granted: wait <= maxWait, Wait: wait}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
