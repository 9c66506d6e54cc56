package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

// family makes each command that only groups others print its help, and each that
// has others refuse what is none of them.
func family(cmd *cobra.Command) {
	if !cmd.HasSubCommands() {
		return
	}
	if cmd.RunE == nil {
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	if cmd.Args == nil || cmd.Args(cmd, []string{"argument"}) != nil { // takes none itself
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		family(c)
	}
}

// guessDistance is how wrong a command may be spelt to be guessed.
const guessDistance = 2

// noCommand says that a command has no such command below it.
func noCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = guessDistance
	guess := ""
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		guess = ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return run.Usage(fmt.Errorf("%q is no command of %s%s (see %s --help)", name, cmd.CommandPath(), guess, cmd.CommandPath()))
}

// helpCommand is cobra's, except that an unknown command is a mistake.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		GroupID: groupOperate,
		Short:   "Show what a command does, and its flags",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return run.Usage(err)
			}
			if len(rest) > 0 {
				return noCommand(about, rest[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
