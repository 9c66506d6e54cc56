package chain_test

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/llm"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
)

// The day of a budget follows the clock that the chain is given, and calls are counted by it.
func TestTheDayOfABudgetIsOfTheGivenClock(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 5, 1, 23, 59, 0, 0, time.UTC)
	limits := chain.DefaultLimits()
	limits.DailyTokens = 100
	l := &ledger{}
	c := chain.New([]chain.Link{{Name: "first", Provider: writes("first"), Limits: limits}},
		chain.Deps{Ledger: l, Now: func() time.Time { return day }, Log: zap.NewNop()})
	ask := func() error {
		_, err := c.Generate(t.Context(), llm.Request{About: llm.About{Purpose: llm.PurposeMemory}})
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if l.mu.Lock(); !l.calls[0].At.Equal(day) {
		t.Errorf("the call is counted at %v, want %v", l.calls[0].At, day)
	}
	l.mu.Unlock()
	if err := ask(); err == nil {
		t.Error("more than a day's budget was used on one day")
	}
	day = day.Add(time.Minute)
	if err := ask(); err != nil {
		t.Errorf("on the next day: %v", err)
	}
}
