// Package command implements the command line of chorus. It reads the configuration,
// connects the parts of each service and runs them. modules.go lists the services.
package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
)

// These are the groups of commands in the help.
const (
	groupTry      = "try"
	groupServices = "services"
	groupRoster   = "roster"
	groupOperate  = "operate"
)

// New returns the root command with all commands.
func New() *cobra.Command {
	root := &cobra.Command{
		Use:   "chorus",
		Short: "Run a cast of AI personas in Telegram group chats",
		Long: `Chorus runs a cast of AI personas in Telegram group chats. Each persona is a
Telegram bot, and says so. A planner decides who speaks next, a generator writes
the text, a sender talks to Telegram, and a listener hears what people say.

To see it work without an account, a key or a server:

  chorus up --cast deploy/examples/book-club.yaml`,
		Version:       telemetry.ReadBuild().Version,
		SilenceErrors: true, // main prints them
		SilenceUsage:  true,
	}
	root.AddGroup(
		&cobra.Group{ID: groupTry, Title: "Try it:"},
		&cobra.Group{ID: groupRoster, Title: "Say who plays where:"},
		&cobra.Group{ID: groupServices, Title: "Run the services:"},
		&cobra.Group{ID: groupOperate, Title: "Operate it:"},
	)
	root.SetHelpCommandGroupID(groupOperate)
	root.SetCompletionCommandGroupID(groupOperate)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return run.Usage(fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath()))
	})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			if c.Args == nil {
				c.Args = noArguments
			}
			root.AddCommand(c)
		}
	}
	add(groupTry, upCommand(), emulatorCommand())
	add(groupRoster, applyCommand(), exportCommand(), simulateCommand(), reviewCommand())
	add(groupServices, plannerCommand(), generatorCommand(), senderCommand(), listenerCommand(), consoleCommand())
	add(groupOperate, migrateCommand(), explainCommand(), resumeCommand(), deadCommand(), cacheCommand(), usageCommand(), memoryCommand(), loadCommand(),
		checkCommand(), configCommand(), settingsCommand(), keyCommand(), secretsCommand(), healthCommand(), versionCommand())
	root.SetHelpCommand(helpCommand())
	root.SetUsageFunc(printUsage)
	family(root)
	return root
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return run.Usage(fmt.Errorf("%q is no argument of %s (see %s --help)", args[0], cmd.CommandPath(), cmd.CommandPath()))
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print which build this is",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := telemetry.ReadBuild()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "chorus %s (commit %s, %s)\n", b.Version, b.Commit, b.Go)
			return err
		},
	}
}
