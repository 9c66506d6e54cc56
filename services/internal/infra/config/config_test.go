package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

type busConfig struct {
	URL     string        `config:"url" doc:"servers" secret:"true"`
	Wait    time.Duration `config:"ack_wait" doc:"how long"`
	Retries int           `config:"retries" doc:"how often"`
	Names   []string      `config:"names" doc:"who | what"`
	Limits  limits        `config:"limits"`
	ignored int
}

type limits struct {
	Rate  float64 `config:"rate" doc:"a second"`
	Bytes int64   `config:"bytes" doc:"at most"`
}

func (c busConfig) Validate() error {
	var errs []error
	if c.Wait < time.Second {
		errs = append(errs, fmt.Errorf("ack_wait: %v, want 1s or more", c.Wait))
	}
	if c.Retries < 1 {
		errs = append(errs, fmt.Errorf("retries: %d, want 1 or more", c.Retries))
	}
	if c.Limits.Rate <= 0 {
		errs = append(errs, fmt.Errorf("limits.rate: %v, want more than 0", c.Limits.Rate))
	}
	if strings.HasPrefix(c.URL, "http") {
		errs = append(errs, fmt.Errorf("url: %q, want nats://HOST:PORT", c.URL))
	}
	return errors.Join(errs...)
}

type modelConfig struct {
	Key   secret.String `config:"api_key" doc:"the key"`
	Token secret.Ref    `config:"token" doc:"the token"`
	On    bool          `config:"on" doc:"whether"`
}

func newTree() (*config.Tree, *busConfig, *modelConfig) {
	b := &busConfig{Wait: 2 * time.Minute, Retries: 3, Limits: limits{Rate: 1.5}, ignored: 1}
	m := &modelConfig{}
	return config.New(config.Section{Name: "nats", Value: b}, config.Section{Name: "llm", Value: m}), b, m
}

// parse binds and parses flags, and writes the file if there is text for one.
func parse(t *testing.T, tree *config.Tree, file string, args ...string) (flags *pflag.FlagSet, name string) {
	t.Helper()
	flags = pflag.NewFlagSet("test", pflag.ContinueOnError)
	tree.Bind(flags)
	if file != "" {
		name = filepath.Join(t.TempDir(), "chorus.yaml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"--config", name}, args...)
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags, name
}

func TestLaterPlacesWin(t *testing.T) {
	t.Parallel()
	tree, b, m := newTree()
	flags, name := parse(t, tree, `
nats:
  url: nats://file:4222
  ack_wait: 5s
  retries: 7
  names: [a, "b,c"]
  limits: {rate: 2, bytes: 9000000000}
llm:
  token: {env: TOKEN}
  on: false
`, "--nats.retries=9", "--llm.on")
	err := tree.Load(flags, []string{"CHORUS_NATS_ACK_WAIT=6s", "CHORUS_NATS_RETRIES=8", "CHORUS_LLM_API_KEY=k", "CHORUS_NATS_URL=", "PATH=/bin"})
	if err != nil {
		t.Fatal(err)
	}
	want := busConfig{
		URL: "nats://file:4222", Wait: 6 * time.Second, Retries: 9, Names: []string{"a", "b,c"},
		Limits: limits{Rate: 2, Bytes: 9e9}, ignored: 1,
	}
	if diff := cmp.Diff(want, *b, cmp.AllowUnexported(busConfig{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(modelConfig{Key: secret.New("k"), Token: secret.Ref{Env: "TOKEN"}, On: true}, *m); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]string{
		"nats.url": name + ":3", "nats.limits.rate": name + ":7", "nats.ack_wait": "CHORUS_NATS_ACK_WAIT",
		"nats.retries": "--nats.retries", "llm.on": "--llm.on", "llm.no": "",
	} {
		if got := tree.Origin(path); got != want {
			t.Errorf("%s comes from %q, want %q", path, got, want)
		}
	}
}

func TestLoadBeginsWithTheDefaults(t *testing.T) {
	t.Parallel()
	tree, b, _ := newTree()
	if err := tree.Load(nil, []string{"CHORUS_NATS_RETRIES=8"}); err != nil || b.Retries != 8 {
		t.Fatalf("retries are %d, %v", b.Retries, err)
	}
	if err := tree.Load(nil, nil); err != nil || b.Retries != 3 || tree.Origin("nats.retries") != "default" {
		t.Fatalf("retries are %d from %s, %v", b.Retries, tree.Origin("nats.retries"), err)
	}
}

func TestFlagsGivenTwice(t *testing.T) {
	t.Parallel()
	tree, b, _ := newTree()
	flags, _ := parse(t, tree, "", "--nats.names=a,b", "--nats.retries=4", "--nats.names=c", "--nats.retries=5")
	if err := tree.Load(flags, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(b.Names, want) || b.Retries != 5 {
		t.Errorf("names are %q and retries %d, want %q and 5", b.Names, b.Retries, want)
	}
}

func TestFileFromTheEnvironment(t *testing.T) {
	t.Parallel()
	tree, b, _ := newTree()
	_, name := parse(t, tree, "nats: {retries: 5}")
	if err := tree.Load(nil, []string{"CHORUS_CONFIG=" + name}); err != nil || b.Retries != 5 {
		t.Errorf("retries are %d, %v", b.Retries, err)
	}
}

func TestSecretsInFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	tree, b, m := newTree()
	err := tree.Load(nil, []string{"CHORUS_NATS_URL_FILE=" + path("url", "nats://u:p@h:1\n"), "CHORUS_LLM_API_KEY_FILE=" + path("key", " k \n")})
	if err != nil || b.URL != "nats://u:p@h:1" || m.Key.Reveal() != "k" || tree.Origin("nats.url") != "CHORUS_NATS_URL_FILE" {
		t.Errorf("got %q and a key of %d letters from %s (%v)", b.URL, len(m.Key.Reveal()), tree.Origin("nats.url"), err)
	}
	for want, environ := range map[string][]string{
		"CHORUS_NATS_URL_FILE: open /nowhere: no such file or directory":                        {"CHORUS_NATS_URL_FILE=/nowhere"},
		"CHORUS_NATS_URL_FILE: CHORUS_NATS_URL is set, too: want one of them":                   {"CHORUS_NATS_URL_FILE=" + path("two", "nats://h:1"), "CHORUS_NATS_URL=nats://h:2"},
		"CHORUS_NATS_URL_FILE: nats.url: \"***\", want nats://HOST:PORT":                        {"CHORUS_NATS_URL_FILE=" + path("wrong", "http://u:p@h")},
		"CHORUS_NATS_RETRIES_FILE: there is no such setting, did you mean CHORUS_NATS_RETRIES?": {"CHORUS_NATS_RETRIES_FILE=" + path("open", "5")},
	} {
		if err := tree.Load(nil, environ); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	const token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
	for name, c := range map[string]struct {
		file, want string
		args, env  []string
		required   []string
	}{
		"unknown variable":     {env: []string{"CHORUS_NATS_ACKWAIT=1s"}, want: "CHORUS_NATS_ACKWAIT: there is no such setting, did you mean CHORUS_NATS_ACK_WAIT?"},
		"far-off variable":     {env: []string{"CHORUS_SOMETHING_ELSE=1s"}, want: "CHORUS_SOMETHING_ELSE: there is no such setting"},
		"Kubernetes' links":    {env: []string{"CHORUS_CONSOLE_SERVICE_HOST=10.0.0.1", "CHORUS_CONSOLE_PORT=tcp://10.0.0.1:80", "CHORUS_CONSOLE_PORT_80_TCP_ADDR=10.0.0.1", "CHORUS_CONSOLE_SERVICE_PORT_HTTP=80"}},
		"no duration":          {env: []string{"CHORUS_NATS_ACK_WAIT=10"}, want: `CHORUS_NATS_ACK_WAIT: nats.ack_wait: "10", want a duration, such as 1m30s`},
		"no number":            {args: []string{"--nats.limits.rate=NaN"}, want: `--nats.limits.rate: nats.limits.rate: "NaN", want a number`},
		"no bool":              {args: []string{"--llm.on=maybe"}, want: `--llm.on: llm.on: "maybe", want true or false`},
		"broken but overruled": {env: []string{"CHORUS_NATS_RETRIES=x"}, args: []string{"--nats.retries=5"}, want: `CHORUS_NATS_RETRIES: nats.retries: "x", want a whole number`},
		"out of range":         {env: []string{"CHORUS_NATS_RETRIES=0"}, want: "CHORUS_NATS_RETRIES: nats.retries: 0, want 1 or more"},
		"required":             {required: []string{"nats.url"}, want: "nats.url: is empty, set --nats.url, CHORUS_NATS_URL, or nats.url in the configuration file"},
		"required secret":      {required: []string{"llm.api_key"}, want: "llm.api_key: is empty, set CHORUS_LLM_API_KEY, or llm.api_key in the configuration file"},
		"secret as reference":  {env: []string{"CHORUS_LLM_TOKEN=" + token}, want: "CHORUS_LLM_TOKEN: llm.token: ***, want env:NAME for an environment variable or file:PATH for a file, never the secret itself"},
		"secret in a message":  {env: []string{"CHORUS_NATS_URL=http://a:b@c"}, want: `CHORUS_NATS_URL: nats.url: "***", want nats://HOST:PORT`},
		"token elsewhere":      {env: []string{"CHORUS_NATS_RETRIES=" + token}, want: `CHORUS_NATS_RETRIES: nats.retries: "110201543:***", want a whole number`},
		"unknown key":          {file: "nats:\n  retires: 1\n", want: "FILE:2:3: nats.retires: unknown field, want one of url, ack_wait, retries, names, limits, did you mean retries?"},
		"unknown section":      {file: "# x\nplanner: {a: 1}\n", want: "FILE:2:1: planner: unknown field, want one of nats, llm"},
		"list for a number":    {file: "nats:\n  retries: [1]\n", want: "FILE:2:3: nats.retries: a list, want a whole number"},
		"mapping for a number": {file: "nats:\n  retries: {a: 1}\n", want: "FILE:2:3: nats.retries: a mapping, want a whole number"},
		"list of lists":        {file: "nats:\n  names:\n    - a\n    - [b]\n", want: "FILE:4:7: nats.names[1]: a list, want texts separated by commas"},
		"value for a section":  {file: "nats: 5\n", want: "FILE:1:7: nats: 5, want a mapping with the fields url, ack_wait, retries, names, limits"},
		"no mapping":           {file: "- a\n", want: "FILE:1:1: file: a list, want a mapping with the fields nats, llm"},
		"two documents":        {file: "nats: {retries: 1}\n---\nllm: {on: true}\n", want: "FILE:3:1: file: a second document begins, want one"},
		"wrong indentation":    {file: "nats:\n  retries: 1\n ack_wait: 1s\n", want: "FILE:3:2: file: no YAML: value is not allowed in this context: check the indentation"},
		"key twice":            {file: "nats:\n  retries: 1\n  retries: 2\n", want: "FILE:3:3: nats.retries: given twice, want each field once"},
		"no file":              {args: []string{"--config=/nowhere.yaml"}, want: "/nowhere.yaml: can't be read: no such file or directory"},
		"a folder":             {args: []string{"--config=/"}, want: "/: can't be read: is a directory"},
		"nothing to complain":  {file: "# nothing\nnats:\nllm:\n  on:\n"},
		"in the file's order": {
			file: "nats:\n  retries: 0\n  limits:\n    rate: x\n  other: 1\n",
			want: `FILE:2: nats.retries: 0, want 1 or more
FILE:4:11: nats.limits.rate: "x", want a number
FILE:5:3: nats.other: unknown field, want one of url, ack_wait, retries, names, limits`,
		},
		"all at once": {
			file: "nats:\n  retries: x\n  limits:\n    rate: -1\n", env: []string{"CHORUS_X=1"}, args: []string{"--nats.ack-wait=1ms"},
			want: `FILE:2:12: nats.retries: "x", want a whole number
FILE:4: nats.limits.rate: -1, want more than 0
CHORUS_X: there is no such setting
--nats.ack-wait: nats.ack_wait: 1ms, want 1s or more`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree, _, _ := newTree()
			flags, file := parse(t, tree, c.file, c.args...)
			got := ""
			if err := tree.Load(flags, c.env, c.required...); err != nil {
				got = err.Error()
				if coded := (interface{ ExitCode() int })(nil); !errors.As(err, &coded) || coded.ExitCode() != 2 {
					t.Errorf("%T has no exit code 2", err)
				}
			}
			if file != "" {
				got = strings.ReplaceAll(got, file, "FILE")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBindOnlySomeSections(t *testing.T) {
	t.Parallel()
	tree, b, _ := newTree()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	tree.Bind(flags, "llm")
	if flags.Lookup("nats.url") != nil || flags.Lookup("llm.on") == nil || flags.Lookup("config") == nil {
		t.Errorf("the flags are %s", flags.FlagUsages())
	}
	if flags.Lookup("llm.api-key") != nil {
		t.Error("a secret has a flag")
	}
	if err := tree.Load(flags, []string{"CHORUS_NATS_RETRIES=8"}); err != nil || b.Retries != 8 {
		t.Errorf("retries are %d, %v", b.Retries, err)
	}
}

func TestHelpOfFlags(t *testing.T) {
	t.Parallel()
	tree, _, _ := newTree()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	tree.Bind(flags)
	got := strings.Join(strings.Fields(flags.FlagUsages()), " ")
	for _, want := range []string{
		"--nats.retries int how often (CHORUS_NATS_RETRIES) (default 3)",
		"--nats.ack-wait duration how long (CHORUS_NATS_ACK_WAIT) (default 2m)",
		"--nats.url string servers (CHORUS_NATS_URL) --",
		"--llm.on whether (CHORUS_LLM_ON) --",
	} {
		if !strings.Contains(got+" --", want) {
			t.Errorf("there is no %q in %s", want, got)
		}
	}
}

func TestNewPanicsOnAWrongProgram(t *testing.T) {
	t.Parallel()
	for name, sections := range map[string][]config.Section{
		"no pointer": {{Name: "a", Value: limits{}}},
		"no struct":  {{Name: "a", Value: new(int)}},
		"unknown type": {{Name: "a", Value: &struct {
			X chan int `config:"x"`
		}{}}},
		"same section": {{Name: "a", Value: &limits{}}, {Name: "a", Value: &limits{}}},
		"same variable": {{Name: "a_b", Value: &limits{}}, {Name: "a", Value: &struct {
			X int `config:"b_rate"`
		}{}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("it is taken")
				}
			}()
			config.New(sections...)
		})
	}
}
