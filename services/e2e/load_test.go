package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/load/report"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// This short scenario contains all faults that the lab can cause: to processes, to Telegram
// and to the model.
const shortScenario = `
name: short
summary: A little of everything.
cast: {bots: 6, chats: 8, per_chat: 3, groups: 0.2, mean_gap: 1s}
settings: {max_unwritten_turns: 20, max_msgs_per_min: 60, short_reaction_probability: 0.3, turn_ttl: 20s}
config: {generator.max_typing: 200ms}
services: {sender: 2}
llm_latency: 20ms
warm_up: 2s
phases:
  - name: trouble
    for: 6s
    faults: ["setMessageReaction:400:REACTION_INVALID:rate=0.5"]
    llm: ["server_error:rate=0.2"]
    do:
      - {at: 1s, every: 2s, do: kill, service: sender, for: 500ms}
      - {at: 2s, do: scale, service: planner, to: 2}
      - {at: 3s, do: pause, service: generator, for: 1s}
      - {at: 4s, do: stop, service: telegram, for: 1s}
  - {name: calm, for: 3s}
targets:
  - {name: order, measure: order_violations, max: 0}
  - {name: kills, measure: kills, min: 2}
  - {name: lost, measure: lost, max: 0}
  - {name: duplicates, measure: duplicates, max: 0}
  - {name: accounting, measure: unaccounted, max: 0}
  - {name: open, measure: open, max: 0}
  - {name: crashes, measure: crashes, max: 0}
`

// A run on an existing deployment leaves no chat that talks, and doesn't affect the next
// run.
func TestLoadOnARunningDeployment(t *testing.T) {
	t.Parallel()
	dir, file := testenv.Folder(t), filepath.Join(t.TempDir(), "short.yaml")
	text := strings.NewReplacer("    do:", "    # do:", "      - {at", "      # - {at", "    llm:", "    # llm:", "min: 2", "max: 0").Replace(shortScenario)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := up(t, dir)
	for i := range 2 {
		out := filepath.Join(t.TempDir(), "short.json")
		l := launch(t, nil, "load", "--scenario", file, "--out", out, "--pace", "0.4",
			"--config", filepath.Join(dir, "up.yaml"), "--telegram.url", c.url())
		if code := l.waitFor(2 * patience); code != 0 {
			t.Errorf("run %d ended with %d:\n%s%s", i, code, l.out.String(), l.errs.String())
		}
		if r, err := report.Load(out); err != nil || r.Accounting.Messages < 2 {
			t.Errorf("run %d: too little happened: %v", i, err)
		}
	}
	if n := one[int](t, database(t, dir), `SELECT (SELECT count(*) FROM settings) + (SELECT count(*) FROM chats WHERE enabled)`); n != 0 {
		t.Errorf("%d settings and talking chats are left behind", n)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, out := filepath.Join(dir, "short.yaml"), filepath.Join(dir, "reports", "short.json")
	if err := os.WriteFile(file, []byte(shortScenario), 0o600); err != nil {
		t.Fatal(err)
	}
	c := launch(t, nil, "load", "--scenario", file, "--out", out, "--dir", testenv.Folder(t))
	code := c.waitFor(2 * patience)
	r, err := report.Load(out)
	if err != nil {
		t.Fatalf("chorus load ended with %d: %v\n%s", code, err, c.errs.String())
	}
	if code != 0 || !r.Passed {
		t.Errorf("chorus load ended with %d:\n%s\n%v", code, c.out.String(), r.Accounting.Problems)
	}
	if r.Accounting.Messages < 10 || r.Accounting.Outcomes["delivered"] < 10 {
		t.Errorf("too little happened: %+v", r.Accounting)
	}
	used := map[string]bool{}
	for _, u := range r.Services {
		used[u.Service] = u.MaxMB > 0
	}
	for _, service := range []string{"planner", "generator", "sender", "telegram", "postgres"} {
		if !used[service] {
			t.Errorf("nothing is known of what %s used", service)
		}
	}
	if n := r.Counters[`chorus_turns_planned_total{kind="message"}`]; n < 5 {
		t.Errorf("the planners count %v messages", n)
	}
}
