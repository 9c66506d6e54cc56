package chain_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chorus-cast/chorus/services/internal/infra/fail"
	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
)

// Rests returns each rest with its reason, beginning and end, and only as long as it lasts.
func TestRestsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		rests := func(c *chain.Chain) (told string) {
			for _, r := range c.Rests() {
				told += fmt.Sprintf("%s: %s", r.Provider, r.Why)
				for _, at := range []time.Time{r.Since, r.Until} {
					if !at.IsZero() {
						told += " " + at.Sub(began).String()
					}
				}
				told += "\n"
			}
			return told
		}
		busy := fails("busy", llm.Error{Class: fail.Throttled, Status: 429, RetryAfter: 10 * time.Minute})
		spent, full := writes("spent"), writes("full")
		full.do = func(context.Context, int) (llm.Response, error) {
			return llm.Response{Text: "by full", Limits: llm.Limits{Requests: llm.Limit{Known: true, Reset: 30 * time.Second}}}, nil
		}
		c := of(&ledger{}, func(i int, l *chain.Limits) {
			if i == 1 {
				l.DailyTokens = 100
			}
		}, busy, spent, full, writes("last"))
		if got := rests(c); got != "" {
			t.Errorf("at first: %s", got)
		}
		time.Sleep(time.Second) //nolint:forbidigo // in a bubble
		want(t, c, "by spent")  // and its budget is used up
		want(t, c, "by full")
		time.Sleep(time.Second) //nolint:forbidigo // in a bubble
		want(t, c, "by last")
		midnight := chainDay(began).Sub(began)
		const say = "busy: it says that it was asked too often 1s 10m1s\nspent: today's budget is used up 1s %v\n"
		if got, want := rests(c), fmt.Sprintf(say+"full: its last answer says that a limit is used up 1s 31s\n", midnight); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		if got, want := rests(c), fmt.Sprintf(say, midnight); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		time.Sleep(24 * time.Hour) //nolint:forbidigo // in a bubble
		if got := rests(c); got != "" {
			t.Errorf("the day after: %s", got)
		}
	})
}

// chainDay returns the midnight after a time.
func chainDay(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour) }
