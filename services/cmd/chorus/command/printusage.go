package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
)

// printUsage prints the usage of a command. Unlike cobra's function, it prints the many
// flags of the configuration after the command's own.
func printUsage(cmd *cobra.Command) error {
	var out strings.Builder
	out.WriteString("Usage:\n")
	if !cmd.HasSubCommands() || cmd.Use != cmd.Name() { // a group of commands does nothing itself
		fmt.Fprintf(&out, "  %s\n", cmd.UseLine())
	}
	if cmd.HasSubCommands() {
		fmt.Fprintf(&out, "  %s COMMAND\n", cmd.CommandPath())
	}
	if cmd.Example != "" {
		fmt.Fprintf(&out, "\nExamples:\n%s\n", cmd.Example)
	}
	for _, g := range cmd.Groups() {
		commandsOf(&out, cmd, g.ID, g.Title)
	}
	commandsOf(&out, cmd, "", "Commands:")
	own, configured := split(cmd.LocalFlags())
	if own.HasAvailableFlags() {
		fmt.Fprintf(&out, "\nFlags:\n%s", own.FlagUsages())
	}
	if configured.HasAvailableFlags() {
		fmt.Fprintf(&out, "\nConfiguration, by flags, variables or a file (see chorus config --help):\n%s", configured.FlagUsages())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&out, "\n%s COMMAND --help tells more about a command.\n", cmd.CommandPath())
	}
	_, err := io.WriteString(cmd.OutOrStderr(), out.String())
	return err
}

// commandsOf lists the commands of a group; "" for those without a group.
func commandsOf(out *strings.Builder, cmd *cobra.Command, group, title string) {
	first := true
	for _, c := range cmd.Commands() {
		if c.GroupID != group || !c.IsAvailableCommand() && c.Name() != "help" {
			continue
		}
		if first {
			fmt.Fprintf(out, "\n%s\n", title)
			first = false
		}
		fmt.Fprintf(out, "  %-*s %s\n", c.NamePadding(), c.Name(), c.Short)
	}
}

// split separates the flags of the configuration, whose names contain a dot, from the
// others.
func split(flags *pflag.FlagSet) (own, configured *pflag.FlagSet) {
	own, configured = pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.VisitAll(func(f *pflag.Flag) {
		if strings.Contains(f.Name, ".") {
			configured.AddFlag(f)
			return
		}
		own.AddFlag(f)
	})
	return own, configured
}

// family makes a command without an action print its help, and a command with subcommands
// reject unknown ones.
func family(cmd *cobra.Command) {
	if !cmd.HasSubCommands() {
		return
	}
	if cmd.RunE == nil {
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	if cmd.Args == nil || cmd.Args(cmd, []string{"argument"}) != nil { // takes no arguments itself
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

// guessDistance is the maximum edit distance of suggested commands.
const guessDistance = 2

// noCommand returns the error for an unknown subcommand, with suggestions.
func noCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = guessDistance
	guess := ""
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		guess = ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return run.Usage(fmt.Errorf("%q is no command of %s%s (see %s --help)", name, cmd.CommandPath(), guess, cmd.CommandPath()))
}

// helpCommand is cobra's help command, except that an unknown command is an error.
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
