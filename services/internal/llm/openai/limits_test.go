package openai

import (
	"net/http"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/internal/llm"
)

// now returns the time of the answers.
func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	spent := func(reset string) map[string]string {
		return map[string]string{"X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Reset-Tokens": reset}
	}
	for name, tt := range map[string]struct {
		headers map[string]string
		body    string
		want    time.Duration
	}{
		"nothing said":          {nil, "", 0},
		"seconds":               {map[string]string{"Retry-After": "7"}, "", 7 * time.Second},
		"fraction":              {map[string]string{"Retry-After": "1.5"}, "", 1500 * time.Millisecond},
		"a duration":            {map[string]string{"Retry-After": "1m2.5s"}, "", 62500 * time.Millisecond},
		"milliseconds go first": {map[string]string{"Retry-After": "7", "Retry-After-Ms": "250"}, "", 250 * time.Millisecond},
		"a date":                {map[string]string{"Retry-After": "Fri, 02 Jan 2026 03:04:25 GMT"}, "", 20 * time.Second},
		"a date gone by":        {map[string]string{"Retry-After": "Mon, 02 Jan 2006 15:04:05 GMT"}, "", 0},
		"an instant":            {map[string]string{"Retry-After": "1767323055"}, "", 10 * time.Second},
		"negative":              {map[string]string{"Retry-After": "-3"}, "", 0},
		"no number":             {map[string]string{"Retry-After": "NaN"}, "", 0},
		"absurd":                {map[string]string{"Retry-After": "3e7"}, "", maxRetryAfter},

		"reset of a spent limit":          {spent("2m59.56s"), "", 2*time.Minute + 59560*time.Millisecond},
		"reset in milliseconds":           {spent("120ms"), "", 120 * time.Millisecond},
		"reset far away":                  {spent("6h"), "", maxReset},
		"reset at an instant":             {spent("1767323055"), "", 10 * time.Second},
		"reset at one in milliseconds":    {spent("1767323055500"), "", 10500 * time.Millisecond},
		"reset at one of RFC 3339":        {spent("2026-01-02T03:05:05Z"), "", time.Minute},
		"reset at one with a zone":        {spent("2026-01-02T04:04:15.5+01:00"), "", 10500 * time.Millisecond},
		"reset at an HTTP date":           {spent("Fri, 02 Jan 2026 03:04:06 GMT"), "", time.Second},
		"reset in the far future":         {spent("1893456000"), "", maxReset},
		"reset in the past":               {spent("1600000000"), "", 0},
		"reset of a limit without a unit": {map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1767323055000"}, "", 10 * time.Second},
		"reset of a limit with room":      {map[string]string{"X-Ratelimit-Remaining-Tokens": "5", "X-Ratelimit-Reset-Tokens": "9s"}, "", 0},

		"a RetryInfo":           {nil, `[{"error":{"code":429,"message":"Quota exceeded.","details":[{"@type":"x/google.rpc.QuotaFailure"},{"@type":"x/google.rpc.RetryInfo","retryDelay":"34.07s"}]}}]`, 34070 * time.Millisecond},
		"a field":               {nil, `{"error":{"message":"slow down","retry_after":12}}`, 12 * time.Second},
		"a field with a unit":   {nil, `{"message":"slow down","retry_after_ms":"1500"}`, 1500 * time.Millisecond},
		"prose of OpenAI":       {nil, `{"error":{"message":"Rate limit reached for gpt on tokens per min (TPM): Limit 1, Used 1. Please try again in 1m2.5s. Visit https://x."}}`, 62500 * time.Millisecond},
		"prose of milliseconds": {nil, `{"error":{"message":"Please try again in 430ms."}}`, 430 * time.Millisecond},
		"prose of seconds":      {nil, `{"error":{"message":"Please retry after 17 seconds."}}`, 17 * time.Second},
		"prose of both":         {nil, `{"error":"wait 1 minute and 5 seconds, then try again"}`, 65 * time.Second},
		"prose without JSON":    {nil, `slow down: retry in 20s`, 20 * time.Second},
		"prose of something":    {nil, `{"error":{"message":"You sent 5 messages in 3 chats."}}`, 0},
		"headers go first":      {map[string]string{"Retry-After": "7"}, `{"error":{"message":"try again in 20s"}}`, 7 * time.Second},
	} {
		h := http.Header{}
		for k, v := range tt.headers {
			h.Set(k, v)
		}
		h.Set("Date", now().Format(http.TimeFormat))
		got := retryAfter(h, readError([]byte(tt.body)), limits(h))
		if d := got - tt.want; d < -time.Millisecond || d > time.Millisecond {
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
	want := llm.Limits{Requests: llm.Limit{Known: true, Remaining: 59, Reset: 120 * time.Millisecond}}
	if got := limits(h); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Instants are by the clock of the server, not by ours.
func TestAnswersHaveTheirOwnClock(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ date, want time.Time }{
		"three minutes behind ours": {now().Add(-3 * time.Minute), now().Add(-3 * time.Minute)},
		"an hour ahead of ours":     {now().Add(time.Hour), now().Add(time.Hour)},
		"rounded":                   {now().Add(-time.Second), now()},
		"unknown":                   {time.Time{}, now()},
	} {
		h := http.Header{}
		if !tt.date.IsZero() {
			h.Set("Date", tt.date.Format(http.TimeFormat))
		}
		if got := answered(h, now()); !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func FuzzWait(f *testing.F) {
	for _, s := range []string{"7", "2m59.56s", "120ms", "", "-1", "1e999", "NaN", "+Inf", "9223372036854775808h", "1893456000", "2026-01-02T03:05:05Z", "try again in 1m2.5s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, _ := wait(s, now()); d < 0 || d > maxRetryAfter {
			t.Errorf("%q: %v, want 0 to %v", s, d, maxRetryAfter)
		}
		if d := waitInProse(s); d < 0 || d > maxRetryAfter {
			t.Errorf("%q: %v, want 0 to %v", s, d, maxRetryAfter)
		}
	})
}
