package command

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/llm/provider"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

// withoutTexts is why no texts are written, a line each; empty if they are.
func withoutTexts(ctx context.Context, cfg provider.Config, pool *pgxpool.Pool) ([]string, error) {
	var lines []string
	last, err := usage.LastFailure(ctx, pool)
	if err != nil {
		return nil, err
	}
	if last != nil {
		since := "; no text is known to have been written before"
		if !last.Written.IsZero() {
			since = "; nothing was written since " + clockTime(last.Written)
		}
		lines = append(lines, fmt.Sprintf("the last call failed at %s: %s %s%s; chorus check tells the remedy",
			clockTime(last.At), last.Provider, failing(last.Outcome), since))
	}
	all, err := budgets(ctx, cfg, pool)
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		if b.share() >= 1 {
			lines = append(lines, fmt.Sprintf("%s is not asked until midnight UTC: %s", b.name, b))
		}
	}
	return lines, nil
}

// failing returns what a provider did, by the outcome of a call.
func failing(outcome string) string {
	switch outcome {
	case "permanent":
		return "refused it"
	case "throttled":
		return "was asked too often"
	case "given_up":
		return "was not waited for any longer, because the turn's time was over or its generator stopped"
	}
	return "could not be reached, failed or gave no text"
}
