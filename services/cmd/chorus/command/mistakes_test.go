package command_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/cmd/chorus/command"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// result is the visible result of a call.
type result struct {
	Code     int
	Out, Err string
}

// chorus calls the command line like main does.
func chorus(args ...string) result {
	var out, stderr bytes.Buffer
	code := run.Main(&stderr, "chorus", func(ctx context.Context) error {
		cmd := command.New()
		cmd.SetOut(&out)
		cmd.SetErr(&stderr)
		cmd.SetArgs(args)
		return cmd.ExecuteContext(ctx)
	})
	return result{Code: code, Out: out.String(), Err: stderr.String()}
}

// nowhere is the address of a database without a server.
const nowhere = "--database.url=postgres://chorus:hunter2@127.0.0.1:1/chorus?sslmode=disable"

func TestAMistakeIsOneLineAndCodeTwo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"unknown command":           {[]string{"foo"}, `chorus: "foo" is no command of chorus (see chorus --help)`},
		"misspelt command":          {[]string{"plannr"}, `chorus: "plannr" is no command of chorus, did you mean planner? (see chorus --help)`},
		"misspelt command below":    {[]string{"settings", "liist"}, `chorus: "liist" is no command of chorus settings, did you mean list? (see chorus settings --help)`},
		"help for no command":       {[]string{"help", "foo"}, `chorus: "foo" is no command of chorus (see chorus --help)`},
		"unknown flag":              {[]string{"--nope"}, "chorus: unknown flag: --nope (see chorus --help)"},
		"unknown flag of a command": {[]string{"planner", "--nope"}, "chorus: unknown flag: --nope (see chorus planner --help)"},
		"unknown shorthand":         {[]string{"apply", "-x"}, "chorus: unknown shorthand flag: 'x' in -x (see chorus apply --help)"},
		"flag without its value":    {[]string{"planner", "--nats.url"}, "chorus: flag needs an argument: --nats.url (see chorus planner --help)"},
		"an argument too many":      {[]string{"planner", "now"}, `chorus: "now" is no argument of chorus planner (see chorus planner --help)`},
		"an argument too few":       {[]string{"settings", "set", "x"}, "chorus: got 1 arguments, want KEY and VALUE (see chorus settings set --help)"},
		"no file to apply":          {[]string{"apply"}, "chorus: -f: is missing, want a cast file, or - for the standard input"},
		"a file that is not there":  {[]string{"apply", "-f", "nosuch.yaml", nowhere}, "chorus: read the cast: open nosuch.yaml: no such file or directory"},
		"no scenario":               {[]string{"load"}, "chorus: --scenario: is missing, want a scenario file, such as deploy/scenarios/reactions-400.yaml"},
		"a scenario not there":      {[]string{"load", "--scenario", "nosuch.yaml"}, "chorus: read the scenario: open nosuch.yaml: no such file or directory"},
		"a share of a scenario":     {[]string{"load", "--scenario", "x.yaml", "--size", "0"}, "chorus: --size: 0, want more than 0 and at most 100"},
		"a report that is no JSON":  {[]string{"load", "--scenario", "x.yaml", "--out", "a.html"}, `chorus: --out: "a.html", want a name that ends with .json`},
		"no report to sum up":       {[]string{"load", "summary", "a.json"}, "chorus: a.json: there is no such report"},
		"no reports":                {[]string{"load", "summary"}, "chorus: got no reports, want one or more (see chorus load summary --help)"},
		"a misspelt part of load":   {[]string{"load", "sumarry"}, `chorus: "sumarry" is no command of chorus load, did you mean summary? (see chorus load --help)`},
		"unknown setting":           {[]string{"settings", "get", "repply_probability"}, `chorus: setting "repply_probability": there is none, did you mean reply_probability?`},
		"a value out of range":      {[]string{"settings", "set", "reply_probability", "nine"}, `chorus: reply_probability: "nine", want a number from 0 to 1`},
		"unknown setting to unset":  {[]string{"settings", "unset", "nope"}, "chorus: setting \"nope\": there is none; `chorus settings list` shows all"},
		"a duration":                {[]string{"config", "--sender.grace=soon"}, `chorus: --sender.grace: sender.grace: "soon", want a duration from 0s to 5m, such as 1m30s`},
		"nobody to ask":             {[]string{"migrate", "down", nowhere}, "chorus: there is no terminal to ask on: give --yes to go on without"},
		"nothing to simulate":       {[]string{"simulate", "--hours", "0"}, "chorus: -f: is missing, want a cast file, or - for the standard input\nchorus: --hours: 0, want more than 0 and at most 744"},
		"an unknown output":         {[]string{"simulate", "-f", "x", "-o", "pdf"}, `chorus: --output: "pdf", want table, summary, json or svg`},
		"a setting to simulate":     {[]string{"simulate", "-f", "x", "--set", "scale_factor=1000"}, `chorus: --set: scale_factor: "1000", want a number from 0.01 to 100`},
		"no pair":                   {[]string{"simulate", "-f", "x", "--set", "scale_factor"}, `chorus: --set: "scale_factor", want KEY=VALUE`},
		"a strange start":           {[]string{"simulate", "-f", "../../../../deploy/examples/book-club.yaml", "--start", "now"}, `chorus: --start: "now", want a time such as 2026-05-06T08:00, or a date`},
		"no database":               {[]string{"migrate", "status", "--database.url="}, "chorus: database.url: is empty, set --database.url, CHORUS_DATABASE_URL, or database.url in the configuration file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(result{Code: 2, Err: test.want + "\n"}, chorus(test.args...)); diff != "" {
				t.Errorf("(-want +got): %s", diff)
			}
		})
	}
}

func TestAllMissingKeysAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	got := chorus("sender", "--database.url=", "--nats.url=")
	lines := strings.Split(strings.TrimSpace(got.Err), "\n")
	if got.Code != 2 || len(lines) != 2 || !strings.HasPrefix(lines[0], "chorus: database.url: is empty") || !strings.HasPrefix(lines[1], "chorus: nats.url: is empty") {
		t.Errorf("got %d: %s", got.Code, got.Err)
	}
}

func TestABrokenCastIsToldBeforeAnythingIsConnectedTo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cast.yaml")
	broken := "bots:\n  - name: Anna\n    token: env:ANNA\n    tempo: 100\n    persona:\n      display_name: Anna\n"
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"apply", "-f", file, nowhere},
		{"up", "--cast", file, "--up.dir", t.TempDir(), nowhere},
	} {
		got := chorus(args...)
		if got.Code != 2 {
			t.Errorf("%s: code %d", args[0], got.Code)
		}
		for _, want := range []string{"bots[0].name", "bots[0].tempo", "bots[0].persona.summary"} {
			if !strings.Contains(got.Err, "chorus: "+file+":") || !strings.Contains(got.Err, want) {
				t.Errorf("%s: no %s in %s", args[0], want, got.Err)
			}
		}
		if strings.Contains(got.Err, "database") {
			t.Errorf("%s: %s", args[0], got.Err)
		}
	}
}

func TestADatabaseThatDoesNotAnswerIsOneLine(t *testing.T) {
	t.Parallel()
	got := chorus("settings", "list", nowhere, "--database.connect-timeout=1s")
	if got.Code != 1 || strings.Count(got.Err, "\n") != 1 || !strings.HasPrefix(got.Err, "chorus: database.url: no database answers within 1s") || strings.Contains(got.Err, "hunter2") {
		t.Errorf("got %d: %s", got.Code, got.Err)
	}
}
