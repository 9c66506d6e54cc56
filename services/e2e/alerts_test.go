package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chorus-cast/chorus/services/lab/child"
)

// alertsWithin is the maximum time until an alert fires.
const alertsWithin = 2 * time.Minute

// watcher is a real Prometheus with the rules of deploy.
type watcher struct {
	t       testing.TB
	dir     string
	address string
}

// watchedBy starts Prometheus, which scrapes each service every second.
func watchedBy(t testing.TB, targets map[string]string) *watcher {
	t.Helper()
	// The script finds or downloads promtool. Prometheus is in the same package.
	tool, err := exec.CommandContext(t.Context(), filepath.Join(deployFolder, "scripts/promtool")).Output()
	if err != nil {
		t.Fatalf("this test needs Prometheus, which isn't installed and can't be got (apt-get install prometheus): %v", err)
	}
	rules, err := filepath.Abs(filepath.Join(deployFolder, "prometheus/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{t: t, dir: t.TempDir(), address: nobody(t)}
	w.watch(targets)
	config := written(t, w.dir, "prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs: [{job_name: chorus, file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]}]`, rules))
	var out output
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(filepath.Dir(strings.TrimSpace(string(tool))), "prometheus"),
		"--config.file", config, "--storage.tsdb.path", filepath.Join(w.dir, "data"), "--web.listen-address", w.address, "--log.level", "warn")
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, patience
	process, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Stop(patience, syscall.SIGKILL) // its error says that it was killed
		if t.Failed() {
			t.Logf("Prometheus wrote:\n%s", out.String())
		}
	})
	return w
}

// watch sets the scraped addresses by service.
func (w *watcher) watch(targets map[string]string) {
	w.t.Helper()
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	groups := []group{}
	for service, address := range targets {
		groups = append(groups, group{[]string{address}, map[string]string{"service": service}})
	}
	text, err := json.Marshal(groups)
	if err != nil {
		w.t.Fatal(err)
	}
	written(w.t, w.dir, "targets.json", string(text))
}

// firing returns the alerts that fire, with their subject.
func (w *watcher) firing() map[string]bool {
	w.t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(get(w.t, "http://"+w.address+"/api/v1/alerts")), &answer); err != nil {
		w.t.Fatal(err)
	}
	firing := map[string]bool{}
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			firing[strings.TrimSpace(a.Labels["alertname"]+" "+a.Labels["service"]+" "+a.Labels["check"])] = true
		}
	}
	return firing
}

// Services end, with their targets and without, and the bus stops. An alert fires for each
// within two minutes.
func TestAlertsTellWhatHasStopped(t *testing.T) {
	t.Parallel()
	d := deploy(t, troupe{bots: 4, supergroups: 2, perChat: 3, gap: 1e9}.file(t))
	d.start("planner", "generator", "sender", "listener")
	targets := maps.Clone(d.ops)
	w := watchedBy(t, targets)
	eventually(t, "Prometheus sees all services", func() bool {
		return answers(t, "http://"+w.address+"/-/ready") && strings.Count(get(t, "http://"+w.address+"/api/v1/targets?state=active"), `"health":"up"`) == len(targets)
	})
	if firing := w.firing(); len(firing) > 0 {
		t.Errorf("while all is well, there is %v", firing)
	}

	d.running["generator"].kill()
	d.running["listener"].kill()
	delete(targets, "listener")
	w.watch(targets)
	d.bus.Stop()
	stopped := time.Now()
	var firing map[string]bool
	want := []string{"ChorusServiceAbsent generator", "ChorusServiceAbsent listener", "ChorusNotReady planner bus", "ChorusNotReady sender bus_writes"}
	if !within(t, alertsWithin, func() bool {
		firing = w.firing()
		for _, alert := range want {
			if !firing[alert] {
				return false
			}
		}
		return true
	}) {
		t.Errorf("after %v these fire: %v, want %v", alertsWithin, firing, want)
	}
	t.Logf("after %v these fire: %v", time.Since(stopped).Round(time.Second), firing)
}
