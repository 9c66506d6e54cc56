package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

const deployFolder = "../../deploy"

// shown returns the metrics that dashboards, alerts and autoscalers use, and where.
func shown(t *testing.T) map[string][]string {
	t.Helper()
	name := regexp.MustCompile(`\b(chorus|go|process)_[a-z0-9_]+\b`)
	shown := map[string][]string{}
	for _, pattern := range []string{"grafana/dashboards/*.json", "prometheus/alerts.yaml", "k8s/components/keda/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(deployFolder, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("there is no %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				// Only these lines contain expressions.
				if !regexp.MustCompile(`"?(expr|query)"?:|[({]`).MatchString(line) {
					continue
				}
				for _, metric := range name.FindAllString(line, -1) {
					shown[metric] = append(shown[metric], filepath.Base(file))
				}
			}
		}
	}
	return shown
}

// All metrics that dashboards and alerts use exist in a running system.
func TestEveryMetricShownExists(t *testing.T) {
	t.Parallel()
	shown := shown(t)
	const least = 25
	if len(shown) < least {
		t.Fatalf("only %d metrics are shown", len(shown))
	}
	d := deploy(t, troupe{bots: 8, supergroups: 5, perChat: 4, gap: 1e9}.file(t))
	d.start("planner", "generator", "sender", "listener")
	chats, err := d.telegram.Chats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cast hears somebody", func() bool {
		if _, err := d.telegram.Say(t.Context(), chats[0].ID, control.Saying{Name: "Ada", Text: "Does anybody read here?"}); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(d.scrape("listener"), "chorus_listener_updates_total{")
	})
	eventually(t, "there were messages and reactions", func() bool {
		calls := callsOf(t, d.telegram, control.Filter{})
		return len(sent(calls)) > 0 && len(matching(calls, func(c control.Call) bool { return c.Method == "setMessageReaction" })) > 0
	})
	var missing []string
	if !within(t, patience, func() bool {
		scrape := d.scrape("planner") + d.scrape("generator") + d.scrape("sender") + d.scrape("listener")
		missing = nil
		for metric, where := range shown {
			if !regexp.MustCompile(`(?m)^` + metric + `[ {]`).MatchString(scrape) {
				missing = append(missing, metric+" of "+strings.Join(where, ", "))
			}
		}
		return len(missing) == 0
	}) {
		sort.Strings(missing)
		t.Errorf("no service has\n%s", strings.Join(missing, "\n"))
	}
}
