package chain_test

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chorus-cast/chorus/services/internal/llm/chain"
)

func TestANearlySpentBudgetIsWarnedOfOnceADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		limits := chain.DefaultLimits()
		limits.DailyCost, limits.PromptPrice, limits.CompletionPrice = 0.01, 10, 10 // ten texts
		c := chain.New([]chain.Link{{Name: "first", Provider: writes("first"), Limits: limits}}, chain.Deps{Ledger: &ledger{}, Log: zap.New(core)})
		for day := range 2 {
			for range 7 {
				want(t, c, "by first")
			}
			if n := logs.Len(); n != day {
				t.Errorf("on day %d it warned %d times before four fifths were used up", day, n)
			}
			for range 3 {
				want(t, c, "by first")
			}
			if n := logs.Len(); n != day+1 {
				t.Errorf("on day %d it has warned %d times, want %d", day, n, day+1)
			}
			time.Sleep(24 * time.Hour) //nolint:forbidigo // in a bubble
		}
	})
}
