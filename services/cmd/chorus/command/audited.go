package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chorus-cast/chorus/migrations"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

// acts says of each command that uses withDatabase whether it changes something. Changes
// are written to the audit log.
func acts() map[string]bool {
	return map[string]bool{
		"apply": true, "cache invalidate": true, "console link": true, "dead purge": true, "dead replay": true, "memory add": true, "memory forget": true,
		"resume bot": true, "resume chat": true, "secrets rotate": true, "settings set": true, "settings unset": true,

		"cache get": false, "dead list": false, "dead show": false, "explain": false, "export": false, "memory list": false, "review": false,
		"review compare": false, "settings get": false, "settings list": false, "usage": false,
	}
}

// named returns the name of a command in the audit log and in acts.
func named(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// audited runs a command, and writes it to the audit log if it changes something.
func audited(ctx context.Context, cmd *cobra.Command, pool *pgxpool.Pool, do func(context.Context) error) error {
	if !acts()[named(cmd)] || cmd.Flags().Changed("dry-run") {
		return do(ctx)
	}
	given := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !strings.Contains(f.Name, ".") { // configuration flags are left out: they may contain passwords
			given[f.Name] = f.Value.String()
		}
	})
	return audit.Log{Pool: pool}.Do(ctx, entry(named(cmd), cmd.Flags().Args(), given), do)
}

// entry returns the audit log's entry of a command.
func entry(operation string, arguments []string, flags map[string]string) *audit.Entry {
	e := &audit.Entry{Actor: account(), Origin: host(), Via: "command", Operation: operation}
	e.Input, _ = json.Marshal(map[string]any{"arguments": arguments, "flags": flags}) // strings always encode
	return e
}

const (
	auditLogThere  = `SELECT to_regclass('audit_log') IS NOT NULL`
	undefinedTable = "42P01"
)

// auditedMigration changes the schema and writes this to the audit log, with the versions
// before and after. The entry is written before the change, unless the change creates the
// log. A change that drops the log isn't recorded.
func auditedMigration(ctx context.Context, database store.Config, operation string, migrate func(context.Context) error) error {
	pool, err := store.Dial(ctx, database)
	if err != nil {
		return err
	}
	defer pool.Close()
	log, e := audit.Log{Pool: pool}, entry(operation, nil, nil)
	before, err := appliedVersion(ctx, database.URL)
	if err != nil {
		return err
	}
	var there bool
	if err := pool.QueryRow(ctx, auditLogThere).Scan(&there); err != nil {
		return fmt.Errorf("look for the audit log: %w", err)
	}
	note := func(ctx context.Context) error {
		after, err := appliedVersion(ctx, database.URL)
		audit.Note(ctx, "database", before, after)
		return err
	}
	if !there {
		if err := migrate(ctx); err != nil {
			return err
		}
		return log.Do(ctx, e, note)
	}
	err = log.Do(ctx, e, func(ctx context.Context) error { return errors.Join(migrate(ctx), note(ctx)) })
	if gone := (*pgconn.PgError)(nil); errors.As(err, &gone) && gone.Code == undefinedTable {
		return nil
	}
	return err
}

// appliedVersion returns the newest applied migration that this build knows.
func appliedVersion(ctx context.Context, url string) (version int64, err error) {
	all, err := migrations.List(ctx, url)
	for _, m := range all {
		if !m.AppliedAt.IsZero() {
			version = max(version, m.Version)
		}
	}
	return version, err
}

// account returns the name of the user who runs the command.
func account() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return u.Username
}

func host() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
