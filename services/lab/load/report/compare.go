package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Difference is a figure of two reports.
type Difference struct {
	Name          string
	Before, After *float64
	// Verdicts are those of a target, empty for other figures.
	Verdicts [2]string
}

// Change is by how much it changed, in percent; - where that means nothing.
func (d Difference) Change() string {
	if d.Before == nil || d.After == nil || *d.Before == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.1f%%", 100*(*d.After-*d.Before)/max(*d.Before, -*d.Before))
}

// Compare puts the figures of two reports side by side: targets, measures,
// stages, services and calls.
func Compare(before, after *Report) []Difference {
	var list []Difference
	a, b := targetsOf(before), targetsOf(after)
	for _, name := range both(a, b) {
		list = append(list, Difference{
			Name: "target " + name, Before: a[name].Value, After: b[name].Value,
			Verdicts: [2]string{a[name].Verdict(), b[name].Verdict()},
		})
	}
	x, y := figuresOf(before), figuresOf(after)
	for _, name := range both(x, y) {
		list = append(list, Difference{Name: name, Before: x[name], After: y[name]})
	}
	return list
}

func targetsOf(r *Report) map[string]Target {
	m := map[string]Target{}
	for _, t := range r.Targets {
		m[t.Name] = t
	}
	return m
}

// figuresOf are all figures by a name that groups them.
func figuresOf(r *Report) map[string]*float64 {
	m := map[string]*float64{}
	for name, v := range r.Measures {
		m["run "+name] = &v
	}
	for _, p := range r.Phases {
		for name, v := range p.Measures {
			m["phase "+p.Name+" "+name] = &v
		}
	}
	for outcome, n := range r.Accounting.Outcomes {
		m["turns "+outcome] = new(float64(n))
	}
	for _, u := range r.Services {
		m["service "+u.Service+" cores"], m["service "+u.Service+" most MB"] = &u.Cores, &u.MostMB
	}
	for _, c := range r.Calls {
		m["calls "+c.Method+" "+c.Answer] = new(float64(c.Count))
	}
	for _, f := range r.Activity {
		if f.Value != nil {
			m["activity "+f.Name] = f.Value
		}
	}
	return m
}

func both[V any](a, b map[string]V) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// WriteComparison writes what differs, and returns how many targets were met
// before and are missed now.
func WriteComparison(out io.Writer, before, after *Report) (worse int, err error) {
	if before.Scenario != after.Scenario {
		if _, err := fmt.Fprintf(out, "These are different scenarios: %s and %s.\n\n", before.Scenario, after.Scenario); err != nil {
			return 0, err
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	write := func(cells ...string) { _, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) } // written by Flush
	write("", before.title(), after.title(), "")
	same := 0
	for _, d := range Compare(before, after) {
		verdict := ""
		if met := d.Verdicts[0] == "pass"; met && d.Verdicts[1] == "FAIL" {
			worse++
			verdict = "WORSE"
		} else if d.Verdicts[1] != d.Verdicts[0] {
			verdict = d.Verdicts[0] + " → " + d.Verdicts[1]
		}
		if verdict == "" && d.Verdicts[0] == "" && optional(d.Before) == optional(d.After) {
			same++
			continue
		}
		write(d.Name, optional(d.Before), optional(d.After), d.Change(), verdict)
	}
	if err := table.Flush(); err != nil {
		return worse, fmt.Errorf("write the comparison: %w", err)
	}
	_, err = fmt.Fprintf(out, "%d more figures are the same.\n", same)
	return worse, err
}

// title tells a report from others of the same scenario.
func (r *Report) title() string {
	return r.Began.Format("2006-01-02 15:04") + " " + r.Build
}
