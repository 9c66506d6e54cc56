package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// refusal is an invalid start, and what the user must read.
type refusal struct {
	name        string
	args        []string
	environment []string
	code        int
	say         []string // all of these, in one line
}

// check starts chorus and expects it to end with one line that says what is wrong, without
// internal terms.
func (r refusal) check(t *testing.T) {
	t.Helper()
	c := launch(t, r.environment, r.args...)
	code := c.wait()
	said := c.errs.String()
	if code != r.code {
		t.Errorf("the exit code is %d, want %d", code, r.code)
	}
	// A service that has started logs its error, as JSON here.
	if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "chorus: ") && !strings.HasPrefix(said, `{"level":"error"`) {
		t.Errorf("want one line, got:\n%s", said)
	}
	for _, want := range r.say {
		if !strings.Contains(said, want) {
			t.Errorf("it doesn't say %q: %s", want, said)
		}
	}
	for _, inner := range []string{"panic", "goroutine", ".go:", "0x", password} {
		if strings.Contains(said, inner) {
			t.Errorf("it says %q: %s", inner, said)
		}
	}
	t.Log(strings.TrimSpace(said))
}

func TestWrongCallsAreRefused(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("bots:\n  - name: Anna\n    token: env:T\n    persona:\n      display_name: Anna\n      summary: A reader.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	up := func(more ...string) []string {
		return append([]string{"up", "--up.dir", filepath.Join(t.TempDir(), "state"), "--ops.listen", "127.0.0.1:0", "--emulator.listen", "127.0.0.1:0"}, more...)
	}
	tests := []refusal{
		{"an unknown flag", []string{"up", "--sing"}, nil, run.ExitUsage, []string{"unknown flag: --sing", "chorus up --help"}},
		{"an unknown command", []string{"sing"}, nil, run.ExitUsage, []string{`"sing" is no command`, "chorus --help"}},
		{"an argument too many", []string{"planner", "now"}, nil, run.ExitUsage, []string{`"now"`, "chorus planner --help"}},
		{"a flag without its value", []string{"up", "--up.dir"}, nil, run.ExitUsage, []string{"--up.dir", "chorus up --help"}},
		{"a URL of Telegram", up("--telegram.url", "telegram"), nil, run.ExitUsage, []string{"telegram.url", "http://HOST:PORT"}},
		{"a URL of NATS", up("--nats.url", "4222"), nil, run.ExitUsage, []string{"nats.url", "nats://HOST:PORT"}},
		{
			"a URL of the database", up("--database.url", "postgres://u:"+password+"@h:port/d"), nil, run.ExitUsage,
			[]string{"database.url", "postgres://USER:***@HOST:PORT/DATABASE"},
		},
		{"no URL of the database", []string{"planner", "--nats.url", "nats://127.0.0.1:1"}, nil, run.ExitUsage, []string{"database.url", "CHORUS_DATABASE_URL"}},
		{"a number that is none", up("--nats.replicas", "three"), nil, run.ExitUsage, []string{"nats.replicas", "three", "a whole number"}},
		{"a variable that is wrong", up(), []string{"CHORUS_SENDER_ON_UNKNOWN_MESSAGE=guess"}, run.ExitUsage, []string{"sender.on_unknown.message", "drop or resend"}},
		{"a cast file with a mistake", up("--cast", broken), nil, run.ExitUsage, []string{broken + ":2", "name", "Anna", "lower-case"}},
		{"a cast file that isn't there", up("--cast", broken+"x"), nil, run.ExitUsage, []string{broken + "x", "no such file"}},
		{"a folder that can't be", []string{"up", "--up.dir", broken}, nil, run.ExitFailure, []string{"up.dir", broken}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.check(t)
		})
	}
}

func TestTakenPortsAndFolders(t *testing.T) {
	t.Parallel()
	taken := listen(t).Addr().String()
	dir := testenv.Folder(t)
	first := up(t, dir)
	tests := []refusal{
		{"the emulator's port", []string{"up", "--up.dir", t.TempDir(), "--emulator.listen", taken}, nil, run.ExitFailure, []string{"emulator.listen: " + taken, "in use"}},
		{"the operators' port", []string{"up", "--up.dir", t.TempDir(), "--emulator.listen", "127.0.0.1:0", "--ops.listen", taken}, nil, run.ExitFailure, []string{"ops.listen: " + taken, "in use"}},
		{"the folder", []string{"up", "--up.dir", dir}, nil, run.ExitUsage, []string{"another chorus up", dir, "--up.dir"}},
	}
	t.Run("taken", func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				tt.check(t)
			})
		}
	})
	stopped(t, first)
}

func TestServersThatWillNotDo(t *testing.T) {
	t.Parallel()
	nats := func(url string) []string {
		return []string{"planner", "--database.url", testenv.Postgres(t), "--nats.url", url, "--ops.listen", "127.0.0.1:0", "--nats.connect-timeout", "1s"}
	}
	database := func(url string) []string {
		return []string{"planner", "--database.url", url, "--nats.url", testenv.NATS(t), "--ops.listen", "127.0.0.1:0", "--database.connect-timeout", "1s"}
	}
	rights := limitedDatabase(t)
	tests := []refusal{
		{"no NATS", nats("nats://" + nobody(t)), nil, run.ExitFailure, []string{"nats.url", "no server answers"}},
		{"NATS without JetStream", nats(natsWithoutJetStream(t)), nil, run.ExitFailure, []string{"nats.url", "without JetStream", "-js"}},
		{"an old NATS", nats(oldNATS(t)), nil, run.ExitFailure, []string{"nats.url", "2.9.25", "2.10 or newer"}},
		{"no PostgreSQL", database("postgres://chorus:" + password + "@" + nobody(t) + "/chorus"), nil, run.ExitFailure, []string{"database.url", "no database answers"}},
		{"a wrong password", database(rights.wrong), nil, run.ExitFailure, []string{"database.url", "password authentication failed", "check the user"}},
		{"no such database", database(rights.missing), nil, run.ExitFailure, []string{"database.url", "does not exist", "create it"}},
		{"no right to read", database(rights.limited), nil, run.ExitFailure, []string{"permission denied", "GRANT"}},
		{
			"no right to migrate",
			[]string{"migrate", "up", "--database.url", rights.empty, "--nats.url", testenv.NATS(t)},
			nil, run.ExitFailure,
			[]string{"permission denied", "GRANT"},
		},
		{"an empty database", database(testenv.EmptyPostgres(t)), nil, run.ExitFailure, []string{"no schema", "chorus migrate up"}},
		{"a newer schema", database(newerSchema(t)), nil, run.ExitFailure, []string{"at version 9999", "use a newer build"}},
		{
			"a newer schema, migrated",
			[]string{"migrate", "up", "--database.url", newerSchema(t), "--nats.url", testenv.NATS(t)},
			nil, run.ExitFailure,
			[]string{"at version 9999", "use a newer build"},
		},
	}
	t.Run("refused", func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				tt.check(t)
			})
		}
	})
}
