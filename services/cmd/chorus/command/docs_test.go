package command_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/cmd/chorus/command"
)

const (
	repository = "../../../.."
	tableBegin = "<!-- configuration: written by make generate -->\n"
	tableEnd   = "<!-- end of configuration -->"
)

// The documents that are written from the code. UPDATE_DOCS=1 writes them.
func TestDocumentsAreCurrent(t *testing.T) {
	readme := filepath.Join(repository, "README.md")
	text := read(t, readme)
	before, rest, found := strings.Cut(text, tableBegin)
	_, after, closed := strings.Cut(rest, tableEnd)
	if !found || !closed {
		t.Fatalf("README.md has no place for the table of the configuration")
	}
	current(t, readme, text, before+tableBegin+"\n"+output(t, "config", "--table")+"\n"+tableEnd+after)

	settings := filepath.Join(repository, "docs", "settings.md")
	current(t, settings, read(t, settings), settingsPage+output(t, "settings", "list", "--markdown"))
}

const settingsPage = `# Settings

Settings say how the cast behaves. They are changed while Chorus runs, and every service takes a change over within a second:

` + "```sh" + `
chorus settings list
chorus settings set reply_probability 0.8                      # everywhere
chorus settings set reaction_mode message --chat book-club     # in one chat
chorus settings unset reply_probability
` + "```" + `

The narrowest value that is set holds: that of the bot, of the chat, the global one, the default.

`

func current(t *testing.T, path, have, want string) {
	t.Helper()
	if have == want {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Errorf("%s is not current, run make generate: %s", path, cmp.Diff(have, want))
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// read is a file's text; a file that isn't there is empty.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// output is what a command prints.
func output(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := command.New()
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
