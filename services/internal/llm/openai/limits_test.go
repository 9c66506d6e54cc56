package openai

import (
	"net/http"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		headers map[string]string
		want    time.Duration
	}{
		"nothing said":          {nil, 0},
		"seconds":               {map[string]string{"Retry-After": "7"}, 7 * time.Second},
		"fraction":              {map[string]string{"Retry-After": "1.5"}, 1500 * time.Millisecond},
		"milliseconds go first": {map[string]string{"Retry-After": "7", "Retry-After-Ms": "250"}, 250 * time.Millisecond},
		"a date gone by":        {map[string]string{"Retry-After": "Mon, 02 Jan 2006 15:04:05 GMT"}, 0},
		"negative":              {map[string]string{"Retry-After": "-3"}, 0},
		"no number":             {map[string]string{"Retry-After": "NaN"}, 0},
		"absurd":                {map[string]string{"Retry-After": "1e300"}, maxRetryAfter},
		"reset of a spent limit": {
			map[string]string{"X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Reset-Tokens": "2m59.56s"}, 2*time.Minute + 59560*time.Millisecond,
		},
		"reset of a limit with room": {map[string]string{"X-Ratelimit-Remaining-Tokens": "5", "X-Ratelimit-Reset-Tokens": "9s"}, 0},
	}
	for name, tt := range tests {
		h := http.Header{}
		for k, v := range tt.headers {
			h.Set(k, v)
		}
		if got := retryAfter(h, limits(h)); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	h.Set("X-Ratelimit-Limit-Requests", "60")
	h.Set("X-Ratelimit-Remaining-Requests", "59")
	h.Set("X-Ratelimit-Reset-Requests", "120ms")
	h.Set("X-Ratelimit-Remaining-Tokens", "many")
	want := llm.Limits{Requests: llm.Limit{Known: true, Max: 60, Remaining: 59, Reset: 120 * time.Millisecond}}
	if got := limits(h); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzWait(f *testing.F) {
	for _, s := range []string{"7", "2m59.56s", "120ms", "", "-1", "1e999", "NaN", "+Inf", "9223372036854775808h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, _ := wait(s); d < 0 || d > maxRetryAfter {
			t.Errorf("%q: %v, want 0 to %v", s, d, maxRetryAfter)
		}
	})
}
