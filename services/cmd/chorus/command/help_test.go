package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chorus-cast/chorus/services/cmd/chorus/command"
)

// commands returns all commands, the root first.
func commands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		all = append(all, commands(c)...)
	}
	return all
}

// words returns the arguments that call a command.
func words(cmd *cobra.Command) []string { return strings.Fields(cmd.CommandPath())[1:] }

// The help of each command is in testdata. make generate writes it.
func TestHelpTextsAreCurrent(t *testing.T) {
	files := map[string]bool{}
	for _, cmd := range commands(command.New()) {
		file := filepath.Join("testdata", "help", strings.Join(append([]string{"chorus"}, words(cmd)...), "-")+".txt")
		files[file] = true
		current(t, file, read(t, file), output(t, append(words(cmd), "--help")...))
	}
	found, err := filepath.Glob(filepath.Join("testdata", "help", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		if files[file] {
			continue
		}
		if os.Getenv("UPDATE_DOCS") == "" {
			t.Errorf("%s is of no command, run make generate", file)
		} else if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}

func TestEveryCommandAndFlagIsExplained(t *testing.T) {
	t.Parallel()
	const widest = 100
	for _, cmd := range commands(command.New()) {
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q is no heading", path, cmd.Short)
		}
		for line := range strings.Lines(cmd.Long) {
			if utf8.RuneCountInString(line) > widest {
				t.Errorf("%s: a line of its help is too wide for a terminal: %s", path, line)
			}
		}
		if example := strings.TrimSpace(cmd.Example); example != "" && !strings.Contains(example, "chorus") {
			t.Errorf("%s: %q is no example of it", path, example)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s: %q explains nothing, or is no phrase", path, f.Name, f.Usage)
			}
		})
	}
}
