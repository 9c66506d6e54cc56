package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"pgregory.net/rapid"

	"github.com/chorus-cast/chorus/services/internal/infra/config"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

func TestPrintNamesOriginsAndMasks(t *testing.T) {
	t.Parallel()
	tree, _, _ := newTree()
	flags, _ := parse(t, tree, "", "--nats.url=nats://me:hidden@h:4222,nats://hidden@h2", "--nats.names=a,b")
	if err := tree.Load(flags, []string{"CHORUS_LLM_API_KEY=hidden", "CHORUS_LLM_TOKEN=file:/run/token"}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := tree.Print(&out); err != nil {
		t.Fatal(err)
	}
	want := `nats:
  url: "nats://me:***@h:4222,nats://***@h2" # --nats.url
  ack_wait: 2m # default
  retries: 3 # default
  names: [a, b] # --nats.names
  limits:
    rate: 1.5 # default
    bytes: 0 # default
llm:
  api_key: "***" # CHORUS_LLM_API_KEY
  token: file:/run/token # CHORUS_LLM_TOKEN
  on: false # default
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// Load reads Write's output, with secrets and without defaults.
func TestWriteIsReadAgain(t *testing.T) {
	t.Parallel()
	tree, _, _ := newTree()
	flags, _ := parse(t, tree, "", "--nats.url=nats://me:hidden@h:4222", "--nats.names=a,b,null,true,12,1e3,0x1f,-")
	if err := tree.Load(flags, []string{"CHORUS_LLM_API_KEY=hidden", "CHORUS_LLM_TOKEN=file:/run/token"}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := tree.Write(&out); err != nil {
		t.Fatal(err)
	}
	var without strings.Builder
	if err := tree.Write(&without, "nats"); err != nil || strings.Contains(without.String(), "nats:") || !strings.Contains(without.String(), "llm:") {
		t.Errorf("without a section (%v):\n%s", err, without.String())
	}
	if strings.Contains(out.String(), "ack_wait") {
		t.Errorf("a default is written:\n%s", out.String())
	}
	again, _, _ := newTree()
	flags, _ = parse(t, again, out.String())
	if err := again.Load(flags, nil); err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	var second strings.Builder
	if err := again.Write(&second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out.String(), second.String()); diff != "" {
		t.Error(diff)
	}
}

func TestMaskOfURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                      `""`,
		"nats://h:4222":                         "nats://h:4222",
		"nats://u:p@h:4222":                     "nats://u:***@h:4222",
		"nats://u:12,34@h":                      `"***"`,
		"tls://token@h":                         "tls://***@h",
		"postgres://u@h/db":                     "postgres://u@h/db",
		"postgres://u:p@h/db?sslmode=require":   `"postgres://u:***@h/db?sslmode=require"`,
		"postgres://h/db?user=a&password=p&x=1": `"postgres://h/db?user=a&password=***&x=1"`,
		"host=h password=p":                     `"***"`,
		"nats://u:p#x@h":                        `"***"`,
		"redis://:p@h:6379/0":                   "redis://:***@h:6379/0",
	} {
		tree, _, _ := newTree()
		flags, _ := parse(t, tree, "", "--nats.url="+url)
		if err := tree.Load(flags, nil); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := tree.Print(&out); err != nil {
			t.Fatal(err)
		}
		if line := "  url: " + want + " # --nats.url\n"; !strings.Contains(out.String(), line) {
			t.Errorf("%s is printed as\n%s, want %s", url, out.String(), line)
		}
	}
}

type everything struct {
	Text  string        `config:"text"`
	Yes   bool          `config:"yes"`
	Int   int           `config:"int"`
	Int64 int64         `config:"int64"`
	Float float64       `config:"float"`
	Time  time.Duration `config:"time"`
	List  []string      `config:"list"`
	Ref   secret.Ref    `config:"ref"`
}

func anything() *rapid.Generator[everything] {
	return rapid.Custom(func(t *rapid.T) everything {
		e := everything{
			Text: rapid.String().Draw(t, "text"), Yes: rapid.Bool().Draw(t, "yes"),
			Int: rapid.Int().Draw(t, "int"), Int64: rapid.Int64().Draw(t, "int64"),
			Float: rapid.Float64().Draw(t, "float"), Time: time.Duration(rapid.Int64().Draw(t, "time")),
			List: rapid.SliceOf(rapid.StringMatching(`[a-z#:'"\[\]{}!&*% -]*[a-z]`)).Draw(t, "list"),
		}
		if name := rapid.StringMatching(`([A-Z_][A-Z0-9_]{0,5})?`).Draw(t, "ref"); name != "" {
			e.Ref.Env = name
		}
		for i := range e.List {
			e.List[i] = strings.TrimSpace(e.List[i])
		}
		return e
	})
}

// Load reads Print's output. This covers the file and every type.
func TestPrintAndLoadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		want := anything().Draw(t, "config")
		printed := want
		var out strings.Builder
		if err := config.New(config.Section{Name: "s", Value: &printed}).Print(&out); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "c.yaml")
		if err := os.WriteFile(name, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		var got everything
		if err := config.New(config.Section{Name: "s", Value: &got}).Load(nil, []string{"CHORUS_CONFIG=" + name}); err != nil {
			t.Fatalf("%v in\n%s", err, out.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\nfrom\n%s", diff, out.String())
		}
	})
}

// The environment and the flags accept the table's defaults.
func TestTableDefaultsCanBeSet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := anything().Draw(t, "config")
		described := want
		var byEnv, byFlag everything
		envTree, flagTree := config.New(config.Section{Name: "s", Value: &byEnv}), config.New(config.Section{Name: "s", Value: &byFlag})
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		flagTree.Bind(flags)
		var environ, args []string
		for _, row := range config.New(config.Section{Name: "s", Value: &described}).Table() {
			environ = append(environ, row.Env+"="+row.Default)
			args = append(args, row.Flag+"="+row.Default)
		}
		if err := envTree.Load(nil, environ); err != nil {
			t.Fatal(err)
		}
		if err := flags.Parse(args); err != nil {
			t.Fatal(err)
		}
		if err := flagTree.Load(flags, nil); err != nil {
			t.Fatal(err)
		}
		for where, got := range map[string]everything{"environment": byEnv, "flags": byFlag} {
			if len(want.List) == 0 {
				got.List, want.List = nil, nil
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: %s", where, diff)
			}
		}
	})
}

func TestWriteTable(t *testing.T) {
	t.Parallel()
	tree, _, _ := newTree()
	var out strings.Builder
	if err := config.WriteTable(&out, tree.Table()); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"| `nats.ack_wait` | `CHORUS_NATS_ACK_WAIT` | `--nats.ack-wait` | a duration, such as 1m30s | `2m` | how long |",
		"| `nats.names` | `CHORUS_NATS_NAMES` | `--nats.names` | texts separated by commas |  | who \\| what |",
		"| `llm.api_key` | `CHORUS_LLM_API_KEY` |  | a text |  | the key |",
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("there is no line %s in\n%s", line, out.String())
		}
	}
}

// For any environment, Load accepts a value or reports one line, and never shows a secret.
func FuzzEnvironment(f *testing.F) {
	f.Add("NATS_ACK_WAIT", "5s", "hidden-value")
	f.Add("NATS_URL", "nats://u:hidden-value@h", "hidden-value")
	f.Add("", "\n", "\x00\xff")
	f.Fuzz(func(t *testing.T, name, value, key string) {
		tree, _, m := newTree()
		err := tree.Load(nil, []string{"CHORUS_" + name + "=" + value, "CHORUS_LLM_API_KEY=hidden" + key + "hidden"})
		if name != "LLM_API_KEY" && !strings.Contains(name, "=") && m.Key.Reveal() != "hidden"+key+"hidden" {
			t.Errorf("the key is %q", m.Key.Reveal())
		}
		if err != nil && (err.Error() == "" || strings.Contains(err.Error(), "hidden"+key+"hidden")) {
			t.Errorf("the error is %q", err)
		}
	})
}

// For any file, Load doesn't panic or show a secret.
func FuzzFile(f *testing.F) {
	f.Add("nats:\n  url: nats://u:hidden-value@h\n")
	f.Add("nats: {ack_wait: 5s, names: [a, b]}\n")
	f.Add("llm:\n  token: {env: X}\n  api_key: hidden-value: x\n")
	f.Add("nats: &a\n  url: x\nllm: *a\n")
	f.Add("? a\n: b\n--- !!x\n<<: x")
	f.Fuzz(func(t *testing.T, text string) {
		name := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		tree, _, _ := newTree()
		if err := tree.Load(nil, []string{"CHORUS_CONFIG=" + name}); err == nil {
			if err := tree.Print(&strings.Builder{}); err != nil {
				t.Error(err)
			}
		}
	})
}
