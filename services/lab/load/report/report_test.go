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
		Scenario: s, Size: 1, Pace: 1, Machine: "a machine", Build: "v1", Deployment: "embedded", Replicas: s.Services,
		Began: began, Measured: at(60), Ended: at(300), Clocks: map[int64]int64{-1: 300},
		Windows: []report.Window{{s.Phases[0], at(60), at(180)}, {s.Phases[1], at(180), at(300)}},
		Counters: map[string]float64{
			`chorus_cache_hits_total{layer="1"}`: 7, `chorus_cache_hits_total{layer="2"}`: 3,
		},
		Events: []report.Event{{At: 180, What: "faults: sendMessage:429"}},
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
		r.Open = append(r.Open, report.OpenTurns{At: due, N: i % 4})
		r.Samples = append(r.Samples, sampling.Sample{
			At: due, Service: "sender", Instance: "sender-1", Chorus: true, Memory: 100 << 20 * (1 + float64(i)/60/100), CPU: float64(i) / 10, Goroutines: 50,
		})
	}
	return r
}

// What the guard let have no text was not to be delivered; what Telegram refused was.
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
	if got := report.Build(run, nil).Phases[0].Measures["delivered_share"]; got != 0.9 {
		t.Errorf("the share is %v, want 90 of 100", got)
	}
}

func TestMeasures(t *testing.T) {
	t.Parallel()
	r := report.Build(steady(t, ""), nil)
	if diff := cmp.Diff(map[string]float64{
		"turns_per_minute": 60, "messages_per_minute": 54, "reactions_per_minute": 0, "delivered_share": 0.9, "expired_per_minute": 6,
		"unknown": 0, "calls_per_minute": 60, "errors_per_minute": 6, "peak_per_minute": 54, "first_message_seconds": 0, "drain_per_second": 0.899,
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
	a := report.Build(run, nil).Accounting
	if a.Planned != 300 || a.Messages != 288 || a.Explained != 288 || a.Outcomes["expired"] != 12 ||
		a.Lost+a.Duplicates+a.OutOfOrder+a.Late+a.TooEarly+a.Unknown != 0 || a.Reasons["expired: too late"] != 12 {
		t.Errorf("the account of a good run is %+v", a)
	}
	again := run.Calls[0]
	again.Time, again.Message = at(299.5), 1000
	run.Calls = append(run.Calls, again)
	run.Calls[5].Time = at(200)                 // after its minute
	run.Calls[190].RetryAfter = 3 * time.Second // the next calls don't wait
	run.Turns[7].Outcome, run.Turns[7].Sent = accounting.Unknown, 0
	run.Turns[7].Text, run.Calls[7].Text = "Well.", "Well." // its message is explained by that
	run.Calls[10], run.Calls[11] = run.Calls[11], run.Calls[10]
	a = report.Build(run, nil).Accounting
	if a.Duplicates != 1 || a.Late != 1 || a.TooEarly != 2 || a.OutOfOrder != 1 || a.Unknown != 1 || a.Lost != 0 {
		t.Errorf("the account of a bad run is %+v", a)
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	u := report.Build(steady(t, ""), nil).Services[0]
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
	baseline := report.Build(steady(t, ""), nil)
	r := report.Build(steady(t, `
baseline: true
targets:
  - {name: ratio, measure: messages_per_minute, phase: storm, over: calm, min: 0.9}
  - {name: of the baseline, measure: messages_per_minute, phase: storm, over: baseline, min: 1, max: 1}
  - {name: missed, measure: delivered_share, phase: storm, min: 0.95}
  - {name: whole, measure: lost, max: 0}
`), baseline)
	var got []string
	for _, target := range r.Targets {
		got = append(got, fmt.Sprintf("%s %v %s %s", target.Name, *target.Value, target.Bound(), target.Verdict()))
	}
	if diff := cmp.Diff([]string{
		"ratio 0.9 ≥ 0.9 pass", "of the baseline 1 ≥ 1, ≤ 1 pass", "missed 0.9 ≥ 0.95 FAIL", "whole 0 ≤ 0 pass",
	}, got); diff != "" {
		t.Error(diff)
	}
	if r.Passed || r.Missed() != 1 {
		t.Errorf("passed is %t with %d missed", r.Passed, r.Missed())
	}
	without := report.Build(steady(t, "baseline: true\ntargets: [{name: a, measure: calls_per_minute, phase: calm, over: baseline, min: 0}]\n"), nil)
	if target := without.Targets[0]; target.Passed || target.Verdict() != "not measured" {
		t.Errorf("a target without its baseline is %+v", target)
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	r := report.Build(steady(t, "targets: [{name: load.share, measure: delivered_share, min: 0.99}]\n"), nil)
	dir := t.TempDir()
	file := filepath.Join(dir, "report.json")
	if err := r.Save(file); err != nil {
		t.Fatal(err)
	}
	loaded, err := report.Load(file)
	if diff := cmp.Diff(r, loaded); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if err := r.SavePage(filepath.Join(dir, "report.html")); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		write func(*bytes.Buffer) error
		wants []string
	}{
		"text":     {func(b *bytes.Buffer) error { return r.WriteText(b) }, []string{"300 turns planned: 288 delivered, 12 expired", "load.share", "FAIL"}},
		"markdown": {func(b *bytes.Buffer) error { return report.WriteMarkdown(b, []*report.Report{r}) }, []string{"| A message a second. | 2, 1 |", "**1 of 1 missed**", "3.6"}},
		"figures":  {func(b *bytes.Buffer) error { return report.WriteFigures(b, []*report.Report{r}) }, []string{"figure load.share 0.95 share\n"}},
	} {
		var b bytes.Buffer
		if err := c.write(&b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.wants {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s has no %q:\n%s", name, want, b.String())
			}
		}
	}
	for _, f := range r.Activity {
		if f.Name == "cache hits" && (f.Value == nil || *f.Value != 10) || f.Name == "cache misses" && f.Value != nil {
			t.Errorf("%s is %v", f.Name, f.Value)
		}
	}
}

func TestComparison(t *testing.T) {
	t.Parallel()
	const target = "targets: [{name: share, measure: delivered_share, phase: storm, min: 0.85}]\n"
	before, worse := report.Build(steady(t, target), nil), steady(t, target)
	for i := 181; i < 240; i++ {
		worse.Turns[i].Outcome, worse.Turns[i].Sent = "expired", 0
	}
	var b bytes.Buffer
	n, err := report.WriteComparison(&b, before, report.Build(worse, nil))
	if err != nil || n != 1 || !strings.Contains(b.String(), "WORSE") || !strings.Contains(b.String(), "-50.0%") {
		t.Errorf("%d worse, %v:\n%s", n, err, b.String())
	}
	b.Reset()
	if n, err := report.WriteComparison(&b, before, before); err != nil || n != 0 || strings.Contains(b.String(), "run ") {
		t.Errorf("a report compared with itself: %d, %v:\n%s", n, err, b.String())
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	if _, err := report.Load("report_test.go"); err == nil {
		t.Error("a file that is no report was read")
	}
}
