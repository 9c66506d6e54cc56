package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/overview"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/llm/provider"
	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// budget holds a provider's limits and its usage of today.
type budget struct {
	name   string
	limits chain.Limits
	spent  usage.Spent
}

func (b budget) share() float64 { return b.limits.Share(b.spent) }

func (b budget) String() string {
	words := fmt.Sprintf("%.0f %% of today's budget is used up", 100*b.share())
	if b.limits.DailyCost > 0 {
		words += fmt.Sprintf(", %.4f of %.4f", b.spent.Cost, b.limits.DailyCost)
	}
	if b.limits.DailyTokens > 0 {
		words += fmt.Sprintf(", %d of %d tokens", b.spent.Tokens, b.limits.DailyTokens)
	}
	return words
}

// budgets returns the budgets of the providers that have one, ordered by name.
func budgets(ctx context.Context, cfg provider.Config, pool *pgxpool.Pool) ([]budget, error) {
	_, spent, err := usage.SpentToday(ctx, pool)
	if err != nil {
		return nil, err
	}
	all := cfg.Budgets()
	var found []budget
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if l := all[name]; l.DailyCost > 0 || l.DailyTokens > 0 {
			found = append(found, budget{name, l, spent[name]})
		}
	}
	return found, nil
}

// budgetsUsed returns the budgets for the console.
func budgetsUsed(ctx context.Context, cfg provider.Config, pool *pgxpool.Pool) ([]overview.Budget, error) {
	all, err := budgets(ctx, cfg, pool)
	used := make([]overview.Budget, len(all))
	for i, b := range all {
		used[i] = overview.Budget{Provider: b.name, Share: b.share(), Used: b.String()}
	}
	return used, err
}

func printBudgets(w io.Writer, all []budget) error {
	for _, b := range all {
		if _, err := fmt.Fprintf(w, "%s: %s.\n", b.name, b); err != nil {
			return err
		}
	}
	return nil
}

// checkBudgets reports the used part of each budget, and warns if no budget is set.
func checkBudgets(ctx context.Context, cfg *configuration, pool *pgxpool.Pool) ([]preflight.Finding, error) {
	all, err := budgets(ctx, cfg.llm, pool)
	if err != nil {
		return nil, err
	}
	var found []preflight.Finding
	for _, b := range all {
		f := preflight.Finding{Status: preflight.OK, Check: "budget", Subject: b.name, Found: b.String()}
		if b.share() >= chain.NearlySpent {
			f.Status, f.Remedy = preflight.Warning, "beyond it the provider is not asked until midnight UTC: "+
				"raise llm.daily_cost or llm.daily_tokens and restart the generators, or slow the chats down (scale_factor)"
		}
		found = append(found, f)
	}
	if cfg.llm.Kind != provider.Offline && len(all) == 0 {
		found = append(found, preflight.Finding{
			Status: preflight.Warning, Check: "budget", Subject: cmp.Or(cfg.llm.Name, cfg.llm.Kind), Found: "no budget holds, because no price is known",
			Remedy: "set llm.prompt_price and llm.completion_price, or llm.daily_tokens; of a model that costs nothing, ignore this",
		})
	}
	return found, nil
}

// checkSilence warns if no texts are written now, and reports since when.
func checkSilence(ctx context.Context, pool *pgxpool.Pool) ([]preflight.Finding, error) {
	silence, err := usage.FindSilence(ctx, pool)
	if err != nil || silence == nil {
		return nil, err
	}
	remedy := "it is tried again by itself; if the check of llm fails, too, do what that says"
	if silence.Outcome == usage.Thought {
		remedy = "raise generator.max_tokens, or switch the model's thinking off (llm.extra)"
	}
	return []preflight.Finding{{Status: preflight.Warning, Check: "texts", Subject: silence.Provider, Found: silence.String(), Remedy: remedy}}, nil
}

// spentToday returns a line for each provider whose budget is used up today.
func spentToday(ctx context.Context, cfg provider.Config, pool *pgxpool.Pool) ([]string, error) {
	all, err := budgets(ctx, cfg, pool)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, b := range all {
		if b.share() >= 1 {
			lines = append(lines, fmt.Sprintf("%s is not asked until midnight UTC: %s", b.name, b))
		}
	}
	return lines, nil
}
