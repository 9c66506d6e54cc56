package command_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/cmd/chorus/command"
)

const repository = "../../../.."

// These documents are generated from the code. UPDATE_DOCS=1 writes them.
func TestDocumentsAreCurrent(t *testing.T) {
	configuration := filepath.Join(repository, "docs", "configuration.md")
	current(t, configuration, read(t, configuration), configurationPage+output(t, "config", "--table"))

	settings := filepath.Join(repository, "docs", "settings.md")
	current(t, settings, read(t, settings), settingsPage+output(t, "settings", "list", "--markdown"))
}

// Every command is described on the page of commands.
func TestEveryCommandIsOnItsPage(t *testing.T) {
	t.Parallel()
	page := read(t, filepath.Join(repository, "docs", "commands.md"))
	for _, c := range command.New().Commands() {
		switch name := c.Name(); {
		case name == "help" || name == "completion":
		case !strings.Contains(page, "`chorus "+name) && !strings.Contains(page, "`"+name+"`"):
			t.Errorf("docs/commands.md has no chorus %s", name)
		}
	}
}

// The compose file passes on the variables of .env to the services: all of the
// configuration except what it decides itself. So no setting is forgotten.
func TestComposePassesOnWhatIsCurrent(t *testing.T) {
	var parts strings.Builder
	names := regexp.MustCompile("`(CHORUS_[A-Z_]+)`")
	for section := range strings.SplitSeq(output(t, "config", "--table"), "\n### ") {
		title, rows, _ := strings.Cut(section, "\n")
		var line string
		var lines []string
		for _, found := range names.FindAllStringSubmatch(rows, -1) {
			if decided(found[1]) {
				continue
			}
			const width = 100
			if len(line)+len(found[1]) > width {
				lines, line = append(lines, line), ""
			}
			line += found[1] + ", "
		}
		if line != "" {
			fmt.Fprintf(&parts, "x-%[1]s: &%[1]s {\n  %[2]s}\n", title, strings.Join(append(lines, line), "\n  "))
		}
	}
	const begin, end = "# Passed on: written by make generate.\n", "# End of what is passed on.\n"
	path := filepath.Join(repository, "docker-compose.yml")
	text := read(t, path)
	before, rest, found := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for what is passed on", path)
	}
	want := strings.NewReplacer(", \n", ",\n", ", }", "\n}").Replace(parts.String())
	current(t, path, text, before+begin+want+end+after)
}

// decided tells whether the compose file itself decides a variable: addresses of servers,
// files of secrets, and ports between containers.
func decided(variable string) bool {
	return slices.Contains([]string{
		"CHORUS_DATABASE_URL", "CHORUS_NATS_URL", "CHORUS_NATS_CREDENTIALS", "CHORUS_REDIS_URL", "CHORUS_SECRET_KEYS", "CHORUS_SECRET_FILE",
		"CHORUS_TELEGRAM_URL", "CHORUS_OPS_LISTEN", "CHORUS_OPS_METRICS_TOKEN", "CHORUS_OPS_METRICS_OPEN", "CHORUS_UP_DIR", "CHORUS_UP_CASTS",
		"CHORUS_EMULATOR_LISTEN", "CHORUS_EMULATOR_ANY_PORT", "CHORUS_EMULATOR_ALLOW_REMOTE", "CHORUS_EMULATOR_HOSTS", "CHORUS_EMULATOR_DIR",
		"CHORUS_CONSOLE_LISTEN", "CHORUS_CONSOLE_ANY_PORT", "CHORUS_CONSOLE_PUBLIC_URL", "CHORUS_CONSOLE_OPEN",
	}, variable)
}

// inserted checks the part of a document that is generated from the code.
func inserted(t *testing.T, path, part, want string) {
	t.Helper()
	text := read(t, path)
	begin, end := "<!-- "+part+": written by make generate -->\n", "<!-- end of "+part+" -->"
	before, rest, found := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the %s", path, part)
	}
	current(t, path, text, before+begin+want+end+after)
}

// A simulated day of each example, with its picture.
func TestSimulationsAreCurrent(t *testing.T) {
	var page strings.Builder
	for _, cast := range []string{"book-club", "role-playing-table", "market-talk"} {
		simulated := func(as string) string {
			return output(t, "simulate", "-f", filepath.Join(repository, "deploy", "examples", cast+".yaml"),
				"--hours", "24", "--seed", "1", "--start", "2026-05-06", "--output", as)
		}
		path := filepath.Join(repository, "docs", "images", "rhythm-"+cast+".svg")
		current(t, path, read(t, path), simulated("svg"))
		fmt.Fprintf(&page, "\n### %[1]s\n\n![When the cast of %[1]s talks](images/rhythm-%[1]s.svg)\n\n```\n%[2]s```\n", cast, simulated("summary"))
	}
	inserted(t, filepath.Join(repository, "docs", "planning.md"), "simulations", page.String()+"\n")
}

const configurationPage = `# Configuration

Set each value in a YAML file (` + "`--config` or `CHORUS_CONFIG`" + `), in the environment or by a flag; a flag overrides the environment, which overrides the file. A service with a mistake in its configuration lists all mistakes and does not start. ` + "`chorus config`" + ` prints the values in effect and the source of each.

A file may have sections that a service does not read, so one file can serve all services: ` + "`chorus up`" + ` reads every section. A secret has no flag, because everyone on a machine can read the arguments of its processes. Instead, its variable with ` + "`_FILE`" + ` at the end names a file that holds it. To change how the cast behaves, use the [settings](settings.md), which change while Chorus runs.
`

const settingsPage = `# Settings

Settings control how the cast behaves. Change them while Chorus runs; every service uses the new value within a second:

` + "```sh" + `
chorus settings list
chorus settings set reply_probability 0.8                      # everywhere
chorus settings set reaction_mode message --chat book-club     # in one chat
chorus settings unset reply_probability
` + "```" + `

The narrowest value applies: the bot's, else the chat's, else the global one, else the default.

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

// read returns a file's text; empty for a missing file.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// output returns what a command prints.
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
