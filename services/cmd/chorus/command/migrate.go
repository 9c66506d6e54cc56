package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/startup"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
)

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database and the bus to what this build needs",
		Long: `The services refuse to start on a database or a bus that their build does not
know. These commands change both, and show how far they are.`,
	}
	cmd.AddCommand(migrateUpCommand(), migrateDownCommand(), migrateStatusCommand())
	return cmd
}

func migrateUpCommand() *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Apply all migrations, and declare the bus's streams and consumers",
		Long: `Applies all pending migrations to the database, and makes the streams and
consumers of the bus, or changes those that differ. Run it before the services of
a new version start; to run it twice, or from several places at once, is safe. The
services of the version before go on meanwhile. An old build leaves alone what a
newer one has made.`,
		Example: "  chorus migrate up --database.url postgres://chorus@db/chorus --nats.url nats://bus:4222",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.load(cmd, databaseURL, natsURL); err != nil {
				return err
			}
			newer, err := migrateDatabase(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if newer {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "The database and the bus are those of a newer build, and serve this one: nothing was changed.")
				return err
			}
			log, err := telemetry.NewLogger(cfg.log, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			b, err := bus.Connect(cmd.Context(), cfg.nats, log, "chorus-migrate")
			if err != nil {
				return err
			}
			defer b.Close()
			if err := startup.Wait(cmd.Context(), cfg.nats.ConnectTimeout, bus.Passes, b.Declare); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The database and the bus are up to date.")
			return err
		},
	}
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionNATS, sectionLog)
	return cmd
}

// migrateDatabase waits for the database and applies the pending migrations. It changes
// nothing if a newer build has migrated the database in a way that this one supports.
func migrateDatabase(ctx context.Context, cfg *configuration) (newer bool, err error) {
	pool, err := store.Dial(ctx, cfg.database)
	if err != nil {
		return false, err
	}
	newer, err = migrations.Newer(ctx, pool)
	pool.Close()
	if err != nil {
		return false, store.Refusal(err)
	}
	up := func(ctx context.Context) error { return migrations.Up(ctx, cfg.database.URL) }
	err = startup.Retry(ctx, cfg.database.ConnectTimeout, store.Passes, func(ctx context.Context) error {
		if newer { // changes nothing, but fails if it is too new for this build
			return up(ctx)
		}
		return auditedMigration(ctx, cfg.database, "migrate up", up)
	})
	if err != nil {
		return false, fmt.Errorf("migrate the database: %w", store.Refusal(err))
	}
	return newer, nil
}

func migrateDownCommand() *cobra.Command {
	cfg := newConfiguration()
	var yes bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Take the newest migration back, with the data of its tables",
		Long: `Takes the newest migration back: its tables are dropped with all that is in
them. It asks first. Stop the services before, and make a backup. The bus is left
as it is.`,
		Example: "  chorus migrate down --database.url postgres://chorus@db/chorus",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.load(cmd, databaseURL); err != nil {
				return err
			}
			if !yes {
				if err := confirm(cmd, "This deletes the data of the newest migration's tables. Go on?"); err != nil {
					return err
				}
			}
			return auditedMigration(cmd.Context(), cfg.database, "migrate down", func(ctx context.Context) error {
				return migrations.Down(ctx, cfg.database.URL)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

func migrateStatusCommand() *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which migrations are applied",
		Long:  "Lists the migrations that this build knows, and when each was applied.",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.load(cmd, databaseURL); err != nil {
				return err
			}
			list, err := migrations.List(cmd.Context(), cfg.database.URL)
			if err != nil {
				return err
			}
			table := newTable(cmd.OutOrStdout())
			table.linef("VERSION\tAPPLIED\tFILE")
			for _, s := range list {
				applied := "pending"
				if !s.AppliedAt.IsZero() {
					applied = s.AppliedAt.UTC().Format(time.RFC3339)
				}
				table.linef("%d\t%s\t%s", s.Version, applied, s.File)
			}
			return table.end()
		},
	}
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}
