package command

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/memory"
)

func memoryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "memory",
		Short: "Show, add and take back what bots remember",
		Long: `Shows what bots remember, and changes it. Memories come from the cast file, from
here, and from what was said in the chats; only the last ones fade away by
themselves.`,
	}
	cmd.AddCommand(memoryListCommand(), memoryAddCommand(), memoryForgetCommand())
	return cmd
}

// maxMemories limits the memories that one command lists.
const maxMemories = 10_000

func memoryListCommand() *cobra.Command {
	cfg := newConfiguration()
	var bot string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List memories, the strongest of each bot first", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > maxMemories {
				return run.Usage(fmt.Errorf("--limit: %d, want 1 to %d", limit, maxMemories))
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				if bot != "" {
					if _, _, err := (&where{bot: bot}).find(ctx, pool); err != nil {
						return err
					}
				}
				all, err := memory.List(ctx, pool, bot, limit)
				if err != nil {
					return err
				}
				if len(all) == 0 {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "There are no memories.")
					return err
				}
				table := newTable(cmd.OutOrStdout())
				table.linef("ID\tBOT\tKIND\tFROM\tCHAT\tSTRENGTH\tUSES\tMEMORY")
				for _, m := range all {
					table.linef("%d\t%s\t%s\t%s\t%s\t%.2f\t%d\t%s", m.ID, m.Bot, m.Kind, m.Source, cmp.Or(m.Chat, "all"), m.Strength, m.Uses, m.Content)
				}
				return table.end()
			})
		},
	}
	cmd.Flags().StringVar(&bot, "bot", "", "only those of this bot, by its name in the cast file")
	cmd.Flags().IntVar(&limit, "limit", 200, "how many to list")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

func memoryAddCommand() *cobra.Command {
	cfg := newConfiguration()
	m := memory.Memory{Source: memory.Operator}
	cmd := &cobra.Command{
		Use: "add BOT TEXT", Short: "Give a bot a memory", Args: arguments("BOT", "TEXT"),
		Long: `Gives a bot a memory, one sentence about it in the third person. It stays until
it is forgotten, or until a cast is applied with --prune whose file does not list
it.`,
		Example: `  chorus memory add anna "Tom lent her his map of the harbour." --kind event`,
		RunE: func(cmd *cobra.Command, args []string) error {
			m.Bot, m.Content = args[0], args[1]
			if err := m.Validate(); err != nil {
				return run.Usage(err)
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				if _, _, err := (&where{bot: m.Bot}).find(ctx, pool); err != nil {
					return err
				}
				id, err := memory.Add(ctx, pool, m)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "Memory %d.\n", id)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&m.Kind, "kind", "fact", "fact, event, relationship or preference")
	cmd.Flags().Float64Var(&m.Relevance, "relevance", 0.5, "how readily it comes to mind, 0 to 1")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

func memoryForgetCommand() *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use: "forget ID", Short: "Take a memory back", Args: arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return run.Usage(fmt.Errorf("ID: %q, want a number as chorus memory list shows", args[0]))
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				was, err := memory.Forget(ctx, pool, id)
				if err == nil && !was {
					return run.Usage(fmt.Errorf("ID: there is no memory %d", id))
				}
				return err
			})
		},
	}
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}
