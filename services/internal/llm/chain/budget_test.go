package chain_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
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

// An idle provider's budget is new at midnight: yesterday's alert must end then.
func TestTheUsedBudgetIsThatOfTheDayOfTheScrape(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		limits := chain.DefaultLimits()
		limits.DailyTokens = 1000 // ten texts
		c := chain.New([]chain.Link{{Name: "first", Provider: writes("first"), Limits: limits}},
			chain.Deps{
				Ledger: &ledger{}, Metrics: chain.NewMetrics(registry), Log: zap.NewNop(),
				Now: func() time.Time { return time.Now().AddDate(0, 0, 1) }, // a clock that isn't the process'
			})
		shows := func(used string) {
			t.Helper()
			const name = "chorus_llm_budget_used_ratio"
			want := "# HELP " + name + " The part of a provider's budget for the day (UTC) that is used up.\n# TYPE " + name + " gauge\n" + name + `{provider="first"} ` + used + "\n"
			if err := testutil.GatherAndCompare(registry, strings.NewReader(want), name); err != nil {
				t.Error(err)
			}
		}
		shows("0")
		for range 10 {
			want(t, c, "by first")
		}
		shows("1")
		time.Sleep(24 * time.Hour) //nolint:forbidigo // in a bubble
		shows("0")
	})
}
