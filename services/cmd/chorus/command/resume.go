package command

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

func resumeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Try at once what Telegram refused",
		Long: `A bot whose token Telegram refuses is stopped; one that may not act in a chat, or
whose messages are rejected there, is suspended in it; a chat that rejects reactions
gets none. All are tried again by themselves, after a minute at first and up to six
hours later at last. These commands end such a pause at once.`,
	}
	cmd.AddCommand(
		resumeOne("bot", "Start a bot, and let it act in all its chats", "SELECT EXISTS (SELECT FROM bots WHERE name = $1)", rosterpg.ResumeBot),
		resumeOne("chat", "Let all bots of a chat act in it", "SELECT EXISTS (SELECT FROM chats WHERE name = $1)", rosterpg.ResumeChat),
	)
	return cmd
}

type resumer func(ctx context.Context, db store.DB, name string) ([]rosterpg.Refusal, error)

func resumeOne(kind, short, known string, resume resumer) *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use:   kind + " NAME",
		Short: short,
		Long: `Ends the pause that Telegram's refusals made. If Telegram still refuses, the next
call begins another one. A bot that an administrator made quiet stays quiet.`,
		Example: "  chorus resume " + kind + " " + map[string]string{"bot": "anna", "chat": "book-club"}[kind],
		Args:    arguments("the name of a " + kind + " in the cast file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				var found bool
				if err := pool.QueryRow(ctx, known, args[0]).Scan(&found); err != nil {
					return fmt.Errorf("look for the %s: %w", kind, err)
				}
				if !found {
					return run.Usage(fmt.Errorf("%.100q: there is no such %s in the roster", args[0], kind))
				}
				var was []rosterpg.Refusal
				err := store.InTx(ctx, pool, func(tx pgx.Tx) (err error) {
					was, err = resume(ctx, tx, args[0])
					return err
				})
				if err != nil {
					return err
				}
				return tellResumed(cmd, args[0], was)
			})
		},
	}
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

// tellResumed prints the refusals that were ended.
func tellResumed(cmd *cobra.Command, name string, was []rosterpg.Refusal) error {
	if len(was) == 0 {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: Telegram refused nothing.\n", name)
		return err
	}
	for _, s := range was {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is tried again: its next call shows whether Telegram allows it. It was %s\n", s.Subject(), s.Reason())
		if err != nil {
			return err
		}
	}
	return nil
}
