package benchreport_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chorus-cast/chorus/services/lab/benchreport"
)

const output = `goos: linux
goarch: amd64
pkg: github.com/chorus-cast/chorus/services/planner/decide
cpu: Example 3000 @ 2.00GHz
BenchmarkDecide 	figure planner.decide_us 9.50 us
figure planner.decide_allocs 12 allocs
figure planner.decide_us 8.25 us
BenchmarkDecide-2   	  143164	      8250 ns/op
a figure of speech, no figure
PASS
ok  	github.com/chorus-cast/chorus/services/planner/decide	1.5s
`

func TestRead(t *testing.T) {
	t.Parallel()
	var echo strings.Builder
	got, err := benchreport.Read(strings.NewReader(output), &echo)
	if err != nil {
		t.Fatal(err)
	}
	want := benchreport.Run{
		Machine: "linux/amd64, Example 3000 @ 2.00GHz",
		Values: map[string]benchreport.Value{
			"planner.decide_us":     {Number: 8.25, Unit: "us"},
			"planner.decide_allocs": {Number: 12, Unit: "allocs"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if echo.String() != output {
		t.Errorf("the output was copied as %q", echo.String())
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ output, want string }{
		"no unit":          {"figure a 1\n", `"figure a 1": want figure NAME VALUE UNIT`},
		"too many words":   {"figure a 1 ms each\n", `"figure a 1 ms each": want figure NAME VALUE UNIT`},
		"no number":        {"figure a fast ms\n", "figure a: value fast, want a number"},
		"a division by 0":  {"figure a NaN ms\n", "figure a: value NaN, want a number"},
		"nothing measured": {"PASS\n", "no benchmark told a figure"},
		"a failed one":     {"figure a 1 ms\n--- FAIL: BenchmarkA\nFAIL\nFAIL\texample.org/a\t0.1s\n", benchreport.ErrFailed.Error()},
		"a broken build":   {"figure a 1 ms\nFAIL\texample.org/b [build failed]\n", benchreport.ErrFailed.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var echo strings.Builder
			_, err := benchreport.Read(strings.NewReader(c.output), &echo)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if strings.Contains(c.output, "FAIL") && !errors.Is(err, benchreport.ErrFailed) {
				t.Errorf("%v is not ErrFailed", err)
			}
			if echo.String() != c.output {
				t.Errorf("only %q was copied", echo.String())
			}
		})
	}
}

func TestUpdateKeepsWhatWasNotMeasured(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 11, 24, 8, 0, 0, 5, time.FixedZone("east", 3600))
	run := func(name string, number float64) benchreport.Run {
		return benchreport.Run{Machine: "m", Values: map[string]benchreport.Value{name: {Number: number, Unit: "ms"}}}
	}
	report := benchreport.Report{}.
		Update(run("b", 1), "one", first).
		Update(run("c", 2), "two", first).
		Update(run("a", 3), "three", first).
		Update(run("c", 4), "three", first.Add(time.Hour))
	want := benchreport.Report{
		Commit: "three", Machine: "m", Date: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC),
		Figures: []benchreport.Figure{
			{Name: "a", Value: 3, Unit: "ms"},
			{Name: "b", Value: 1, Unit: "ms", Commit: "one"},
			{Name: "c", Value: 4, Unit: "ms"},
		},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bench.json")
	empty, err := benchreport.Load(path)
	if err != nil || len(empty.Figures) != 0 {
		t.Fatalf("a missing file is %+v, %v", empty, err)
	}
	run := benchreport.Run{Machine: "m", Values: map[string]benchreport.Value{"a": {Number: 0.5, Unit: "ms"}}}
	saved := empty.Update(run, "c", time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC))
	if err := saved.Save(path); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "commit": "c",
  "machine": "m",
  "date": "2026-11-24T08:00:00Z",
  "figures": [
    {
      "name": "a",
      "value": 0.5,
      "unit": "ms"
    }
  ]
}
`
	if diff := cmp.Diff(want, string(content)); diff != "" {
		t.Error(diff)
	}
	loaded, err := benchreport.Load(path)
	if diff := cmp.Diff(saved, loaded); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := benchreport.Load(path); err == nil {
		t.Error("a broken file was read")
	}
}
