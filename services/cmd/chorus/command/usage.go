package command

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/usage"
)

func usageCommand() *cobra.Command {
	cfg := newConfiguration()
	by := string(usage.ByDay)
	since := 7 * 24 * time.Hour
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Sum up what the texts cost",
		Long: `Sums up the calls to the text providers: how many, how many of them failed, their
tokens, their cost by the configured prices, and how long they took on average.
Single calls are kept for 90 days: before that it sums up whole days, and a day by
chat and by bot for 400 days. Days are those of UTC, as those of budgets, of which it
tells how much is used up today.`,
		Example: "  chorus usage\n  chorus usage --by bot --since 24h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(usage.Ways(), usage.By(by)) {
				return run.Usage(fmt.Errorf("--by: %q, want %s", by, ways()))
			}
			if since <= 0 {
				return run.Usage(fmt.Errorf("--since: %v, want more than 0s", since))
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				now, err := store.Time(ctx, pool)
				if err != nil {
					return err
				}
				sums, err := usage.Sums(ctx, pool, now.Add(-since), usage.By(by))
				if err != nil {
					return err
				}
				if err := printSums(cmd.OutOrStdout(), by, sums); err != nil {
					return err
				}
				all, err := budgets(ctx, cfg.llm, pool)
				if err != nil {
					return err
				}
				return printBudgets(cmd.OutOrStdout(), all)
			})
		},
	}
	cmd.Flags().StringVar(&by, "by", by, "what to sum by: "+ways())
	cmd.Flags().DurationVar(&since, "since", since, "how far back to look")
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionLLM)
	return cmd
}

func ways() string {
	all := make([]string, len(usage.Ways()))
	for i, w := range usage.Ways() {
		all[i] = string(w)
	}
	return strings.Join(all, ", ")
}

func printSums(w io.Writer, by string, sums []usage.Sum) error {
	if len(sums) == 0 {
		_, err := fmt.Fprintln(w, "No calls were made.")
		return err
	}
	table := newNumbers(w)
	row := func(name string, s usage.Sum) {
		table.linef("%s\t%d\t%d\t%d\t%d\t%.4f\t%v\t",
			name, s.Calls, s.Failed, s.PromptTokens, s.CompletionTokens, s.Cost, s.Latency.Round(time.Millisecond))
	}
	table.linef("%s\tCALLS\tFAILED\tPROMPT TOKENS\tANSWER TOKENS\tCOST\tLATENCY\t", strings.ToUpper(by))
	var all usage.Sum
	var took time.Duration
	for _, s := range sums {
		row(s.Name, s)
		all.Calls, all.Failed = all.Calls+s.Calls, all.Failed+s.Failed
		all.PromptTokens, all.CompletionTokens, all.Cost = all.PromptTokens+s.PromptTokens, all.CompletionTokens+s.CompletionTokens, all.Cost+s.Cost
		took += s.Latency * time.Duration(s.Calls-s.Failed)
	}
	if written := all.Calls - all.Failed; written > 0 {
		all.Latency = took / time.Duration(written)
	}
	row("all", all)
	return table.end()
}
