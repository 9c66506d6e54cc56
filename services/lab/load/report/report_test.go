package report_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/load/accounting"
	"github.com/chorus-cast/chorus/services/lab/load/report"
	"github.com/chorus-cast/chorus/services/lab/load/sampling"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

var began = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }

// steady is a run of five minutes with a message every second, planned after
// 10 ms, written after 100 ms more and delivered after a second; in its second
// phase every tenth expires.
func steady(t *testing.T, targets string) *report.Run {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(`
name: steady
summary: A message a second.
cast: {bots: 2, chats: 1, per_chat: 2, mean_gap: 1s}
warm_up: 1m
phases:
  - {name: calm, for: 2m}
  - {name: storm, for: 2m, faults: ["sendMessage:429"]}
`+targets))
	if err != nil {
		t.Fatal(err)
	}
	r := &report.Run{
		Report: report.Report{
			Size: 1, Pace: 1, Machine: "linux/amd64, A processor, 2 cores", Build: "v1", Deployment: "embedded", Replicas: s.Services,
			Began: began, Ended: at(300), Events: []report.Event{{At: 180, What: "faults: sendMessage:429"}},
			Counters: map[string]float64{`chorus_cache_hits_total{layer="1"}`: 7},
		},
		Played: s, Measured: at(60), Clocks: map[int64]int64{-1: 300},
		Windows: []report.Window{{s.Phases[0], at(60), at(180)}, {s.Phases[1], at(180), at(300)}},
	}
	for i := range 300 {
		due := at(float64(i))
		turn := accounting.Turn{
			Chat: -1, Number: int64(i + 1), Bot: "a", Kind: "message", Due: due, Planned: due.Add(10 * time.Millisecond),
			Expires: due.Add(time.Minute), Written: due.Add(110 * time.Millisecond), Closed: due.Add(1110 * time.Millisecond),
		}
		call := accounting.Call{Time: due.Add(time.Second), Method: accounting.SendMessage, Bot: "a", Chat: -1, Seq: uint64(i + 1)}
		if i >= 180 && i%10 == 0 {
			turn.Outcome, turn.Reason, call.Status, call.RetryAfter = "expired", "too late", 429, time.Millisecond
		} else {
			turn.Outcome, turn.Sent, turn.Attempts = accounting.Delivered, int64(i+1), 1
			call.Status, call.Effect, call.Message = 200, "sent", int64(i+1)
		}
		r.Turns, r.Calls = append(r.Turns, turn), append(r.Calls, call)
		r.Samples = append(r.Samples, sampling.Sample{
			At: due, Service: "sender", Instance: "sender-1", Chorus: true, Memory: 100 << 20 * (1 + float64(i)/60/100), CPU: float64(i) / 10, Goroutines: 50,
		})
	}
	return r
}

// Texts that the guard rejected don't count as due for delivery; messages that Telegram
// refused do.
func TestTheShareIsOfWhatWasToBeDelivered(t *testing.T) {
	t.Parallel()
	run := steady(t, "")
	// Of the 120 turns of the first phase.
	for i := range 20 {
		run.Turns[60+i].Outcome, run.Turns[60+i].Written = "rejected", time.Time{}
	}
	for i := range 10 {
		run.Turns[80+i].Outcome = "rejected"
	}
	if got := report.Build(run).Phases[0].Measures["delivered_share"]; got != 0.9 {
		t.Errorf("the share is %v, want 90 of 100", got)
	}
}

func TestMeasures(t *testing.T) {
	t.Parallel()
	r := report.Build(steady(t, ""))
	if diff := cmp.Diff(map[string]float64{
		"turns_per_minute": 60, "messages_per_minute": 54, "reactions_per_minute": 0, "delivered_share": 0.9, "expired_per_minute": 6,
		"unknown": 0, "calls_per_minute": 60, "errors_per_minute": 6, "peak_per_minute": 54, "first_message_seconds": 0, "drain_per_second": 0.89916,
		"planning_p50_ms": 10, "planning_p90_ms": 10, "planning_p99_ms": 10, "planning_max_ms": 10,
		"generating_p50_ms": 100, "generating_p90_ms": 100, "generating_p99_ms": 100, "generating_max_ms": 100,
		"sending_p50_ms": 1000, "sending_p90_ms": 1000, "sending_p99_ms": 1000, "sending_max_ms": 1000,
		"end_to_end_p50_ms": 1110, "end_to_end_p90_ms": 1110, "end_to_end_p99_ms": 1110, "end_to_end_max_ms": 1110,
	}, r.Phases[1].Measures); diff != "" {
		t.Error(diff)
	}
	for _, m := range scenario.Measures() {
		_, inRun := r.Measures[m.Name]
		_, inPhase := r.Phases[0].Measures[m.Name]
		if !inRun || inPhase == m.Whole {
			t.Errorf("%s is measured of the run: %t, of a phase: %t", m.Name, inRun, inPhase)
		}
	}
}

func TestAccounting(t *testing.T) {
	t.Parallel()
	run := steady(t, "")
	r := report.Build(run)
	if a := r.Accounting; a.Planned != 300 || a.Messages != 288 || a.Outcomes["expired"] != 12 || a.Unknown != 0 ||
		a.Reasons["expired: too late"] != 12 || len(a.Problems) != 0 {
		t.Errorf("the account of a good run is %+v", a)
	}
	problems := []string{"lost", "duplicates", "order_violations", "late", "retry_after_violations", "unaccounted"}
	for _, name := range problems {
		if n := r.Measures[name]; n != 0 {
			t.Errorf("a good run has %v %s", n, name)
		}
	}
	again := run.Calls[0]
	again.Time, again.Message = at(299.5), 1000
	run.Calls = append(run.Calls, again)
	run.Calls[5].Time = at(200)                 // after its minute
	run.Calls[190].RetryAfter = 3 * time.Second // the next calls don't wait
	run.Turns[7].Outcome, run.Turns[7].Sent = accounting.Unknown, 0
	run.Turns[7].Text, run.Calls[7].Text = "Well.", "Well." // its message is explained by that
	run.Calls[10], run.Calls[11] = run.Calls[11], run.Calls[10]
	run.Turns[20].Sent = 2000 // a message that Telegram never got; the one it got is of no turn
	r = report.Build(run)
	got := map[string]float64{}
	for _, name := range problems {
		got[name] = r.Measures[name]
	}
	if diff := cmp.Diff(map[string]float64{
		"lost": 1, "duplicates": 2, "order_violations": 1, "late": 1, "retry_after_violations": 2, "unaccounted": 0,
	}, got); diff != "" {
		t.Error(diff)
	}
	if a := r.Accounting; a.Unknown != 1 || len(a.Problems) != 3 || r.Answers["sendMessage 429: Too Many Requests: retry after N"] != 12 {
		t.Errorf("the account of a bad run is %+v, with the answers %v", a, r.Answers)
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	steps := report.Build(steady(t, "")).Timeline
	if len(steps) != 5 || steps[4].From != 240 || steps[4].To != 300 {
		t.Fatalf("the steps are %v", steps)
	}
	if first, last := steps[0].Measures["messages_per_minute"], steps[4].Measures["messages_per_minute"]; first != 60 || last != 54 {
		t.Errorf("there are %v messages in the first minute and %v in the last", first, last)
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	u := report.Build(steady(t, "")).Services[0]
	// A percent of what it began with a minute, less of the mean.
	if u.MemorySlope == nil || *u.MemorySlope < 0.95 || *u.MemorySlope > 1 || *u.GoroutinesSlope != 0 {
		t.Errorf("the slopes are %v, %v", *u.MemorySlope, *u.GoroutinesSlope)
	}
	if u.Cores < 0.099 || u.Cores > 0.101 || u.Processes != 1 || u.Goroutines != 50 {
		t.Errorf("the sender used %+v", u)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	run := steady(t, `
baseline: true
targets:
  - {name: ratio, measure: messages_per_minute, phase: storm, over: calm, min: 0.9}
  - {name: of the baseline, measure: messages_per_minute, phase: storm, over: baseline, min: 1, max: 1}
  - {name: missed, measure: delivered_share, phase: storm, min: 0.95}
  - {name: whole, measure: lost, max: 0}
`)
	run.Baseline = report.Build(steady(t, ""))
	r := report.Build(run)
	var got []string
	for _, target := range r.Targets {
		got = append(got, fmt.Sprintf("%s %v %s: %s", target.Name, *target.Value, target.Verdict(), target.Measure))
	}
	if diff := cmp.Diff([]string{
		"ratio 0.9 pass: messages_per_minute in storm over calm",
		"of the baseline 1 pass: messages_per_minute in storm over baseline",
		"missed 0.9 FAIL: delivered_share in storm",
		"whole 0 pass: lost",
	}, got); diff != "" {
		t.Error(diff)
	}
	if r.Passed || r.Missed() != 1 {
		t.Errorf("passed is %t with %d missed", r.Passed, r.Missed())
	}
}

// A target without a measure is reported as such, and fails the run.
func TestTargetsWithoutAMeasure(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{
		"without its baseline": "measure: calls_per_minute, phase: calm, over: baseline",
		"over nothing":         "measure: reactions_per_minute, phase: storm, over: calm",
		"of what never was":    "measure: memory_slope_pct_per_min",
	} {
		run := steady(t, "baseline: true\ntargets: [{name: a.b, "+target+", max: 1000}]\n")
		run.Samples = nil
		r := report.Build(run)
		if got := r.Targets[0]; r.Passed || got.Passed || got.Verdict() != "not measured" {
			t.Errorf("%s: %+v", name, got)
		}
		var b bytes.Buffer
		if err := report.WriteFigures(&b, []*report.Report{r}); err != nil || strings.Contains(b.String(), "a.b") {
			t.Errorf("%s is a figure, %v: %s", name, err, b.String())
		}
	}
}

func TestReportIsStored(t *testing.T) {
	t.Parallel()
	run := steady(t, "targets: [{name: load.share, measure: delivered_share, min: 0.99}]\n")
	run.Baseline = report.Build(steady(t, ""))
	r := report.Build(run)
	file := filepath.Join(t.TempDir(), "report.json")
	if err := r.Save(file); err != nil {
		t.Fatal(err)
	}
	loaded, err := report.Load(file)
	if diff := cmp.Diff(r, loaded); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// scenarios are the reports of three scenarios: one misses a target, one is played
// in part, and one has nothing that could be measured.
func scenarios(t *testing.T) []*report.Report {
	t.Helper()
	missed := report.Build(steady(t, "targets: [{name: load.share, measure: delivered_share, min: 0.99}, {name: mine, measure: lost, max: 0}]\n"))
	run := steady(t, "targets: [{name: load.share, measure: delivered_share, phase: storm, min: 0.5, max: 1}]\n")
	run.Pace, run.Baseline = 0.5, missed
	part := report.Build(run)
	part.Scenario = "reactions-400"
	empty := &report.Report{Scenario: "soak", Size: 1, Pace: 1, Passed: true}
	return []*report.Report{missed, part, empty}
}

func TestPageHasEveryScenario(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := report.WriteMarkdown(&b, scenarios(t)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| [steady](../deploy/scenarios/steady.yaml) | A message a second. | 2, 1 | 57 | 300 | 0, 0, 0 | 10 | 1.11, 1.11 | **1 of 2 missed** |\n",
		"| [reactions-400](../deploy/scenarios/reactions-400.yaml) | A message a second. | 2, 1 | 57 | 300 | 0, 0, 0 | 10 | 1.11, 1.11 | 1 met |\n",
		"| [soak](../deploy/scenarios/soak.yaml) |  | 0, 0 | - | 0 | -, -, - | - | -, - | 0 met |\n",
		"**Only a part of reactions-400 was played**: 1 of its size, 0.5 of its times.",
		"| 57 | reactions-400, played without faults |\n",
		"| - | scale-1-8-3 |\n",
		"| steady | `load.share` | 0.95  | ≥ 0.99 | FAIL | delivered_share |\n",
		"| reactions-400 | `load.share` | 0.9  | ≥ 0.5, ≤ 1 | pass | delivered_share in storm |\n",
		"| steady | sender | 1 | 0.1 |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if t.Failed() || strings.Contains(b.String(), "no value") || strings.Contains(b.String(), "NaN") {
		t.Errorf("the page is\n%s", b.String())
	}
}

func TestTerminalTellsAMissedTarget(t *testing.T) {
	t.Parallel()
	for _, r := range scenarios(t) {
		var b bytes.Buffer
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		if r.Scenario != "steady" {
			continue
		}
		for _, want := range []string{"300 turns planned: 288 delivered, 12 expired\n", "end to end  1110", "load.share  0.95", "FAIL"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("it has no %q:\n%s", want, b.String())
			}
		}
	}
}

// Of several reports the worst value is told.
func TestFigures(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := report.WriteFigures(&b, scenarios(t)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("goos: linux\ngoarch: amd64\ncpu: A processor\nfigure load.share 0.9 share\n", b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	if _, err := report.Load("report_test.go"); err == nil {
		t.Error("a file that is no report was read")
	}
}
