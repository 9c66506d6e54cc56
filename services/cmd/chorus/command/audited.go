package command

import (
	"context"
	"encoding/json"
	"os"
	"os/user"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chorus-cast/chorus/services/internal/audit"
)

// acts tells of each command that works on the database by withDatabase whether it changes
// something: then it is written into the audit log.
func acts() map[string]bool {
	return map[string]bool{
		"apply": true, "cache invalidate": true, "console link": true, "dead purge": true, "dead replay": true, "memory add": true, "memory forget": true,
		"resume bot": true, "resume chat": true, "secrets rotate": true, "settings set": true, "settings unset": true,

		"cache get": false, "dead list": false, "dead show": false, "explain": false, "export": false, "memory list": false, "review": false,
		"review compare": false, "settings get": false, "settings list": false, "usage": false,
	}
}

// operation is a command as the audit log and acts call it.
func operation(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// audited does what a command does, and writes it down where it changes something.
func audited(ctx context.Context, cmd *cobra.Command, pool *pgxpool.Pool, do func(context.Context) error) error {
	if !acts()[operation(cmd)] || cmd.Flags().Changed("dry-run") {
		return do(ctx)
	}
	entry := &audit.Entry{Actor: account(), Origin: host(), Via: "command", Operation: operation(cmd)}
	given := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !strings.Contains(f.Name, ".") { // not the configuration: it may name passwords
			given[f.Name] = f.Value.String()
		}
	})
	entry.Input, _ = json.Marshal(map[string]any{"arguments": cmd.Flags().Args(), "flags": given}) // texts only
	return audit.Log{Pool: pool}.Do(ctx, entry, do)
}

// account is that which runs the command.
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
