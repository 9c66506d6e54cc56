package load

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/lab/load/report"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary is a deployment without services that records the actions.
type diary struct {
	Deployment

	now     time.Duration
	entries []string
	kills   int
}

func (d *diary) Operate(_ context.Context, verb scenario.Verb, service string, n int) (string, error) {
	entry := fmt.Sprintf("%v %s %s", d.now, verb, service)
	if verb == scenario.Scale {
		entry += fmt.Sprintf(" to %d", n)
	}
	d.entries = append(d.entries, entry)
	if verb != scenario.Kill {
		return service, nil
	}
	d.kills++
	return fmt.Sprintf("%s-%d", service, d.kills), nil
}

// played returns the actions of a phase that lasts some seconds.
func played(t *testing.T, seconds int, actions ...scenario.Action) ([]string, *stage) {
	t.Helper()
	d := &diary{}
	s := &stage{Deployment: d, run: &report.Run{Report: report.Report{Began: time.Now()}}}
	a := newAgenda(actions, s)
	for i := range seconds {
		d.now = time.Duration(i) * time.Second
		if err := a.due(t.Context(), d.now); err != nil {
			t.Fatal(err)
		}
	}
	d.now = time.Duration(seconds) * time.Second
	if err := a.end(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d.entries, s
}

func TestAgenda(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		actions []scenario.Action
		want    []string
	}{
		"kills again and again": {
			[]scenario.Action{{At: time.Second, Every: 4 * time.Second, Do: scenario.Kill, Service: "sender", For: 2 * time.Second}},
			[]string{"1s kill sender", "3s start sender", "5s kill sender", "7s start sender", "9s kill sender", "10s start sender"},
		},
		"an outage to the end": {
			[]scenario.Action{{Do: scenario.Stop, Service: "telegram"}},
			[]string{"0s stop telegram", "10s start telegram"},
		},
		"a standstill": {
			[]scenario.Action{{At: 2 * time.Second, Do: scenario.Pause, Service: "redis", For: 3 * time.Second}},
			[]string{"2s pause redis", "5s resume redis"},
		},
		"scales stay, in their order": {
			[]scenario.Action{{At: 4 * time.Second, Do: scenario.Scale, Service: "sender", To: 3}, {Do: scenario.Scale, Service: "sender", To: 8}},
			[]string{"0s scale sender to 8", "4s scale sender to 3"},
		},
		"what comes after the end doesn't come": {
			[]scenario.Action{{At: time.Minute, Do: scenario.Kill, Service: "sender", For: time.Second}},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := played(t, 10, c.actions...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKillsAreCountedAndTold(t *testing.T) {
	t.Parallel()
	_, s := played(t, 10, scenario.Action{At: time.Second, Every: 4 * time.Second, Do: scenario.Kill, Service: "sender", For: 2 * time.Second})
	if s.run.Kills != 3 || len(s.run.Events) != 6 || s.run.Events[0].What != "kill sender-1" {
		t.Errorf("%d kills, events %+v", s.run.Kills, s.run.Events)
	}
}
