package command

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/console/access"
	consoleaccount "github.com/chorus-cast/chorus/services/console/account"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

func consoleLinkCommand() *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use:   "link",
		Short: "Print a link with which somebody becomes an owner",
		Long: `Prints a link with which somebody makes an account of an owner, for when nobody
who is one can log in any more. It works once, for a day. Whoever may run this
has the database anyway.`,
		Example: "  chorus console link --console.public-url https://chorus.example.org",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				now, err := store.Time(ctx, pool)
				if err != nil {
					return err
				}
				path, err := consoleaccount.Invite(ctx, pool, access.Owner, account()+" at "+host(), now.Add(consoleaccount.LinkFor))
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), cfg.console.URL()+path)
				return err
			})
		},
	}
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionConsole)
	return cmd
}
