package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

const folder = "../../../../deploy/scenarios"

// The repository has the scenarios that its documents promise.
func TestScenariosOfTheRepository(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		s, err := scenario.Load(file)
		if err != nil {
			t.Error(err)
			continue
		}
		found[s.Name] = true
		if s.Name+".yaml" != filepath.Base(file) {
			t.Errorf("%s has the name %s", file, s.Name)
		}
		if len(s.Targets) == 0 {
			t.Errorf("%s has no target", file)
		}
	}
	for _, name := range []string{
		"reactions-400", "reactions-hang", "flood-429", "telegram-outage", "llm-outage",
		"redis-loss", "kill-senders", "scale-1-8-3", "soak", "drain-100k",
	} {
		if !found[name] {
			t.Errorf("there is no scenario %s", name)
		}
	}
}

const valid = `
name: test
summary: A test.
cast: {bots: 10, chats: 20, per_chat: 3, mean_gap: 5s}
baseline: true
warm_up: 10s
phases:
  - {name: calm, for: 1m}
  - name: storm
    for: 2m
    until: {open_at_least: 1000}
    faults: ["sendMessage:429:retry_after=3"]
    do:
      - {at: 10s, every: 5s, do: kill, service: sender, for: 1s}
targets:
  - {name: a.b, measure: messages_per_minute, phase: storm, over: baseline, min: 0.9}
`

func TestParse(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("test.yaml", []byte(valid))
	if err != nil {
		t.Fatal(err)
	}
	if s.Services[scenario.Sender] != 1 || s.Phases[1].Rules[0].RetryAfter != 3 {
		t.Errorf("it is read as %+v", s)
	}
	if s.Length() != 190*time.Second {
		t.Errorf("it takes %v", s.Length())
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, want string }{
		"an unknown field":     {"warm_up:", "warmup:", `test.yaml:6:1: unknown field "warmup"`},
		"a wrong type":         {"bots: 10", "bots: many", "test.yaml:4:14: "},
		"no summary":           {"summary: A test.", "summary: ''", "test.yaml: summary: is empty"},
		"too many in a chat":   {"per_chat: 3", "per_chat: 30", "cast.per_chat: 30, want 1 to the 10 of cast.bots"},
		"a wrong fault":        {"sendMessage:429", "sendMessage:teapot", `phases[1].faults[0]: fault "sendMessage:teapot`},
		"a fault of no model":  {"faults:", "llm: [hang]\n    faults:", "phases[1].llm: the texts are made without a model"},
		"an unknown verb":      {"do: kill", "do: tickle", `phases[1].do[0].do: "tickle", want one of`},
		"an unknown service":   {"service: sender", "service: mailman", `phases[1].do[0].service: "mailman", want one of planner,`},
		"no Redis":             {"service: sender", "service: redis", "want redis: true in the scenario"},
		"no way back":          {", for: 1s}", "}", "phases[1].do[0].for: is missing"},
		"an unknown measure":   {"measure: messages_per_minute", "measure: joy", `targets[0].measure: "joy"`},
		"an unknown phase":     {"phase: storm", "phase: snow", `targets[0].phase: "snow", want the name of a phase`},
		"no baseline":          {"baseline: true", "baseline: false", "targets[0].over: baseline, want baseline: true"},
		"no bound":             {", min: 0.9}", "}", "targets[0]: has no bound"},
		"a measure of the run": {"messages_per_minute", "lost", "targets[0].phase: \"storm\", want none: lost is of the whole run"},
		"an unknown setting":   {"baseline: true", "baseline: true\nsettings: {joy: 1}", "settings: "},
		"a setting's value":    {"baseline: true", "baseline: true\nsettings: {reply_probability: 3}", "reply_probability"},
		"no YAML":              {"name: test", "name: [", "test.yaml:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(valid, c.old, c.new, 1)
			if text == valid {
				t.Fatalf("%q is not there", c.old)
			}
			_, err := scenario.Parse("test.yaml", []byte(text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "test.yaml:") {
					t.Errorf("a line doesn't begin with the file: %q", line)
				}
			}
		})
	}
}

func TestScaled(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("test.yaml", []byte(valid))
	if err != nil {
		t.Fatal(err)
	}
	small := s.Scaled(0.1, 0.5)
	if small.Cast.Chats != 2 || small.Cast.Bots != 3 || *small.Phases[1].Until.OpenAtLeast != 100 {
		t.Errorf("the sizes are %+v, until %d", small.Cast, *small.Phases[1].Until.OpenAtLeast)
	}
	if small.Length() != 95*time.Second || small.Phases[1].Do[0].At != 5*time.Second {
		t.Errorf("the times are %v, %+v", small.Length(), small.Phases[1].Do)
	}
	if s.Cast.Chats != 20 || s.Length() != 190*time.Second || s.Phases[1].Do[0].At != 10*time.Second || *s.Phases[1].Until.OpenAtLeast != 1000 {
		t.Error("the scenario itself has changed")
	}
}

func TestWithoutFaults(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("test.yaml", []byte(valid))
	if err != nil {
		t.Fatal(err)
	}
	if p := s.WithoutFaults().Phases[1]; len(p.Rules)+len(p.Faults)+len(p.Do) != 0 || p.For != 2*time.Minute {
		t.Errorf("without faults it is %+v", p)
	}
	if len(s.Phases[1].Rules) != 1 {
		t.Error("the scenario itself has changed")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(valid))
	f.Add([]byte(""))
	f.Add([]byte("services:"))
	f.Add([]byte("phases:\n  ! 0"))
	f.Add([]byte(`phases: [{faults: ["0:0:retry_after=10"]}]`))
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := scenario.Parse("f", data)
		if err == nil {
			s.Scaled(0.5, 0.5).WithoutFaults()
			return
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, "f:") {
				t.Errorf("a line of an error doesn't begin with the file: %q", line)
			}
		}
	})
}
