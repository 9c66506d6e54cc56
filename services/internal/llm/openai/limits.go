package openai

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

const (
	// maxRetryAfter limits the wait that a server may ask for: a longer one is a mistake.
	maxRetryAfter = 24 * time.Hour
	// maxReset limits the time until a limit is full again: limits are per minute, and some servers
	// send other values in these headers.
	maxReset = 5 * time.Minute
)

// answered returns the time of an answer by the server's clock, which instants in its headers refer
// to. The Date header has whole seconds, so our own clock is more exact if it agrees with it.
func answered(h http.Header, ours time.Time) time.Time {
	const agrees = 2 * time.Second
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil || ours.Sub(at).Abs() <= agrees {
		return ours
	}
	return at
}

// limits reads the x-ratelimit-* headers of OpenAI and Groq. Headers of others without a unit are
// about requests.
func limits(h http.Header) llm.Limits {
	now := answered(h, time.Now())
	l := llm.Limits{Requests: limit(h, "-Requests", now), Tokens: limit(h, "-Tokens", now)}
	if l.Requests == (llm.Limit{}) {
		l.Requests = limit(h, "", now)
	}
	return l
}

func limit(h http.Header, of string, now time.Time) llm.Limit {
	var l llm.Limit
	if n, err := strconv.Atoi(h.Get("X-Ratelimit-Remaining" + of)); err == nil && n >= 0 {
		l.Known, l.Remaining = true, n
	}
	reset, _ := wait(h.Get("X-Ratelimit-Reset"+of), now)
	l.Reset = min(reset, maxReset)
	return l
}

// retryAfter returns how long to pause a throttled provider: retry-after-ms (OpenAI), else
// retry-after, else a field of the body, else its prose, else the longest reset of a limit of which
// nothing remains, else 0.
func retryAfter(h http.Header, said said, l llm.Limits) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return bounded(ms / 1000)
	}
	if d, ok := wait(h.Get("Retry-After"), answered(h, time.Now())); ok {
		return d
	}
	if said.wait > 0 {
		return said.wait
	}
	if d := waitInProse(said.message); d > 0 {
		return d
	}
	var longest time.Duration
	for _, x := range []llm.Limit{l.Requests, l.Tokens} {
		if x.Known && x.Remaining == 0 {
			longest = max(longest, x.Reset)
		}
	}
	return longest
}

// Larger numbers are no seconds to wait but instants, in seconds or milliseconds since 1970.
const (
	instantFrom = 1e9
	millisFrom  = 1e11
)

// wait reads "7", "7.66" (seconds), "2m59.56s", "120ms" (a duration), or an instant in seconds or
// milliseconds since 1970, in RFC 3339 or in HTTP's format. An instant in the past gives 0.
func wait(s string, now time.Time) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(n) {
		switch {
		case n >= millisFrom:
			n = n/1000 - float64(now.UnixMilli())/1000
		case n >= instantFrom:
			n -= float64(now.UnixMilli()) / 1000
		}
		return bounded(n), true
	}
	if d, err := time.ParseDuration(strings.ReplaceAll(s, " ", "")); err == nil {
		return bounded(d.Seconds()), true
	}
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return bounded(at.Sub(now).Seconds()), true
	}
	if at, err := http.ParseTime(s); err == nil {
		return bounded(at.Sub(now).Seconds()), true
	}
	return 0, false
}

// prose and part match a wait in a sentence: "try again in 1m2.5s", "after 17 seconds", "wait 430
// ms".
//
//nolint:lll // patterns
var (
	prose = regexp.MustCompile(`(?i)\b(?:in|after|within|wait|for)\s+(?:about\s+|at least\s+|approximately\s+|~\s*)?((?:\d+(?:\.\d+)?\s*(?:ms|milliseconds?|msecs?|h|hours?|hrs?|m|minutes?|mins?|s|seconds?|secs?)(?:\s*,?\s*(?:and\s+)?)?)+)(?:\W|$)`)
	part  = regexp.MustCompile(`(?i)(\d+(?:\.\d+)?)\s*([a-z]+)`)
)

func waitInProse(s string) time.Duration {
	m := prose.FindStringSubmatch(s)
	if m == nil {
		return 0
	}
	seconds := 0.0
	for _, p := range part.FindAllStringSubmatch(m[1], -1) {
		n, _ := strconv.ParseFloat(p[1], 64) // digits
		unit := strings.ToLower(p[2])
		switch {
		case strings.HasPrefix(unit, "ms") || strings.HasPrefix(unit, "milli"):
			n /= 1000
		case strings.HasPrefix(unit, "h"):
			n *= 3600
		case strings.HasPrefix(unit, "m"):
			n *= 60
		}
		seconds += n
	}
	return bounded(seconds)
}

// bounded converts seconds to a duration. NaN and negative values become 0.
func bounded(sec float64) time.Duration {
	if !(sec > 0) {
		return 0
	}
	if sec > maxRetryAfter.Seconds() {
		return maxRetryAfter
	}
	return time.Duration(sec * float64(time.Second))
}
