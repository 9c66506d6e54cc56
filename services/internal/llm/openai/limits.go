package openai

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// maxRetryAfter bounds what a server may ask for: a longer wait is a mistake.
const maxRetryAfter = 24 * time.Hour

// limits reads the x-ratelimit-* headers of OpenAI and Groq.
func limits(h http.Header) llm.Limits {
	return llm.Limits{Requests: limit(h, "requests"), Tokens: limit(h, "tokens")}
}

func limit(h http.Header, what string) llm.Limit {
	var l llm.Limit
	if n, err := strconv.Atoi(h.Get("X-Ratelimit-Remaining-" + what)); err == nil && n >= 0 {
		l.Known, l.Remaining = true, n
	}
	if n, err := strconv.Atoi(h.Get("X-Ratelimit-Limit-" + what)); err == nil && n > 0 {
		l.Max = n
	}
	l.Reset, _ = wait(h.Get("X-Ratelimit-Reset-" + what))
	return l
}

// retryAfter is how long to leave a throttled provider alone: retry-after-ms
// (OpenAI), else retry-after as seconds or a date, else the longest reset of a
// limit of which nothing remains, else 0.
func retryAfter(h http.Header, l llm.Limits) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return bounded(ms / 1000)
	}
	after := strings.TrimSpace(h.Get("Retry-After"))
	if d, ok := wait(after); ok {
		return d
	}
	if at, err := http.ParseTime(after); err == nil {
		return bounded(time.Until(at).Seconds())
	}
	var longest time.Duration
	for _, x := range []llm.Limit{l.Requests, l.Tokens} {
		if x.Known && x.Remaining == 0 {
			longest = max(longest, x.Reset)
		}
	}
	return longest
}

// wait reads "7", "7.66" (seconds) or "2m59.56s", "120ms" (a duration).
func wait(s string) (time.Duration, bool) {
	if sec, err := strconv.ParseFloat(s, 64); err == nil {
		return bounded(sec), true
	}
	if d, err := time.ParseDuration(s); err == nil {
		return bounded(d.Seconds()), true
	}
	return 0, false
}

// bounded turns seconds into a duration; "not a number" and what lies in the
// past become 0.
func bounded(sec float64) time.Duration {
	if !(sec > 0) {
		return 0
	}
	if sec > maxRetryAfter.Seconds() {
		return maxRetryAfter
	}
	return time.Duration(sec * float64(time.Second))
}
