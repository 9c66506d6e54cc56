package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

const markdownHead = `# Performance

What the load lab measured, one line a scenario. Each is a file in [deploy/scenarios](../deploy/scenarios); ` + "`make load`" + ` plays all of them and writes this page. Services are processes of their own, beside PostgreSQL, NATS and the emulator for Telegram on the same machine. Times are from the moment a turn was due; the end to end includes the model's latency and the time that a bot is seen typing.

`

// predecessors are what the system before Chorus did, as its own reports say.
const predecessors = `
## The predecessor's figures

The Python system that Chorus replaces was measured with 4 real bots in 1 or 2 chats:

| situation | predecessor, messages/min | Chorus, messages/min | scenario |
|---|---|---|---|
| one worker, the target was 20/min | 0.5 to 1.5 | %s | reactions-400, without faults |
| 4 workers, the best rate on record | 3.6 | %s | scale-1-8-3 |
| reactions that fail with a 400 | 1.2, 42%% errors | %s | reactions-400, with faults |
| 54 bots | 1.2 | %s | soak, 200 bots |

It never measured its latencies, its cache or more than 54 bots, and nobody counted what it lost or said twice.
`

// WriteMarkdown writes a page that summarises reports.
func WriteMarkdown(out io.Writer, list []*Report) error {
	var b strings.Builder
	b.WriteString(markdownHead)
	b.WriteString(where(list))
	b.WriteString("| scenario | what it shows | bots, chats | messages/min | planned | lost, twice, out of order | due to planned p99, ms | due to delivered p50, p99, s | targets |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range list {
		a, plan, end := r.Accounting, r.stage("planning"), r.stage("end_to_end")
		fmt.Fprintf(&b, "| %s | %s | %d, %d | %s | %d | %d, %d, %d | %s | %s, %s | %s |\n",
			r.Scenario, r.Summary, r.Bots, r.Chats, number(r.Measures["messages_per_minute"]), a.Planned,
			a.Lost, a.Duplicates, a.OutOfOrder, number(plan.P99), number(end.P50/1000), number(end.P99/1000), r.verdict())
	}
	fmt.Fprintf(&b, predecessors, rateOf(list, "reactions-400", true), rateOf(list, "scale-1-8-3", false),
		rateOf(list, "reactions-400", false), rateOf(list, "soak", false))
	b.WriteString("\n## Targets\n\n| scenario | target | measured | want | | measure |\n|---|---|---|---|---|---|\n")
	for _, r := range list {
		for _, t := range r.Targets {
			fmt.Fprintf(&b, "| %s | `%s` | %s %s | %s | %s | %s |\n", r.Scenario, t.Name, optional(t.Value), t.Unit, t.Bound(), t.Verdict(), t.Measure)
		}
	}
	b.WriteString("\n## CPU and memory\n\n| scenario | service | processes | cores | MB of a process, mean | most |\n|---|---|---|---|---|---|\n")
	for _, r := range list {
		for _, u := range r.Services {
			fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %s |\n", r.Scenario, u.Service, u.Processes, number(u.Cores), number(u.MeanMB), number(u.MostMB))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// where tells on what and when the reports were made; of a part of the scenario it
// says so.
func where(list []*Report) string {
	var places []string
	for _, r := range list {
		place := fmt.Sprintf("%s, %s, build %s", r.Machine, r.Began.Format(time.DateOnly), r.Build)
		if r.Size != 1 || r.Pace != 1 {
			place += fmt.Sprintf(" (%s at %s of its size and %s of its times)", r.Scenario, number(r.Size), number(r.Pace))
		}
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	return "Measured on " + strings.Join(places, "; ") + ".\n\n"
}

func (r *Report) stage(name string) Stage {
	for _, s := range r.Stages {
		if s.Name == name {
			return s
		}
	}
	return Stage{}
}

func (r *Report) verdict() string {
	if missed := r.Missed(); missed > 0 {
		return fmt.Sprintf("**%d of %d missed**", missed, len(r.Targets))
	}
	return fmt.Sprintf("%d met", len(r.Targets))
}

// rateOf is the rate of messages of a scenario, - where it isn't there.
func rateOf(list []*Report, name string, baseline bool) string {
	for _, r := range list {
		if r.Scenario == name && baseline && r.Baseline != nil {
			return number(r.Baseline.Measures["messages_per_minute"])
		}
		if r.Scenario == name && !baseline {
			return number(r.Measures["messages_per_minute"])
		}
	}
	return "-"
}

// WriteFigures writes the targets' values as benchmarks do. Of several with the
// same name, the one that is worst is told.
func WriteFigures(out io.Writer, list []*Report) error {
	worst := map[string]Target{}
	var names []string
	for _, r := range list {
		for _, t := range r.Targets {
			old, known := worst[t.Name]
			if !known {
				names = append(names, t.Name)
			}
			if t.Value != nil && (!known || t.margin() < old.margin()) {
				worst[t.Name] = t
			}
		}
	}
	if len(list) > 0 {
		system, processor, _ := strings.Cut(list[0].Machine, ", ")
		goos, goarch, _ := strings.Cut(system, "/")
		if i := strings.LastIndex(processor, ", "); i >= 0 {
			processor = processor[:i] // who reads this counts the cores
		}
		if _, err := fmt.Fprintf(out, "goos: %s\ngoarch: %s\ncpu: %s\n", goos, goarch, processor); err != nil {
			return err
		}
	}
	for _, name := range names {
		t, known := worst[name]
		if !known || !strings.Contains(name, ".") {
			continue // a target that is the scenario's own affair
		}
		if _, err := fmt.Fprintf(out, "figure %s %s %s\n", name, number(*t.Value), unitWord(t.Unit)); err != nil {
			return err
		}
	}
	return nil
}

// margin is how far a value is on the right side of its bounds.
func (t Target) margin() float64 {
	m := math.Inf(1)
	if t.Value == nil {
		return m
	}
	if t.Min != nil {
		m = min(m, *t.Value-*t.Min)
	}
	if t.Max != nil {
		m = min(m, *t.Max-*t.Value)
	}
	return m
}

// unitWord is a unit as one word of ASCII.
func unitWord(unit string) string {
	switch unit {
	case "":
		return "share"
	case "×":
		return "ratio"
	case "%/min":
		return "pct/min"
	default:
		return unit
	}
}
