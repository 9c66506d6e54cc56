package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"text/template"
	"time"
)

//go:embed report.tmpl
var source string

// WriteText writes a summary of one run for a terminal.
func (r *Report) WriteText(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if err := render(table, "run", r); err != nil {
		return err
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

// WriteMarkdown writes the page of documentation that sums up reports.
func WriteMarkdown(out io.Writer, list []*Report) error { return render(out, "page", list) }

func render(out io.Writer, name string, data any) error {
	t := template.Must(template.New("report").Funcs(template.FuncMap{
		"number": number, "outcomes": outcomes, "where": where,
		"seconds": func(ms float64) string { return number(ms / 1000) },
		"length":  func(r *Report) time.Duration { return r.Ended.Sub(r.Began).Truncate(time.Second) },
		"named": func(list []*Report, name string) *Report {
			if i := slices.IndexFunc(list, func(r *Report) bool { return r.Scenario == name }); i >= 0 {
				return list[i]
			}
			return nil
		},
	}).Parse(source))
	if err := t.ExecuteTemplate(out, name, data); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

// WriteFigures writes the targets' values as benchmarks do: of those whose name
// has a dot, for others are the scenario's own affair. Of several with the same
// name, the one that is worst is told.
func WriteFigures(out io.Writer, list []*Report) error {
	worst := map[string]Target{}
	for _, r := range list {
		for _, t := range r.Targets {
			old, known := worst[t.Name]
			if t.Value == nil || !strings.Contains(t.Name, ".") {
				continue
			}
			if !known || t.Min != nil && *t.Value < *old.Value || t.Max != nil && *t.Value > *old.Value {
				worst[t.Name] = t
			}
		}
	}
	var text strings.Builder
	if len(list) > 0 {
		system, processor, _ := strings.Cut(list[0].Machine, ", ")
		goos, goarch, _ := strings.Cut(system, "/")
		if i := strings.LastIndex(processor, ", "); i >= 0 {
			processor = processor[:i] // who reads this counts the cores
		}
		fmt.Fprintf(&text, "goos: %s\ngoarch: %s\ncpu: %s\n", goos, goarch, processor)
	}
	words := map[string]string{"": "share", "×": "ratio", "%/min": "pct/min"} // of units, in ASCII
	for _, name := range slices.Sorted(maps.Keys(worst)) {
		t := worst[name]
		fmt.Fprintf(&text, "figure %s %s %s\n", name, number(t.Value), cmp.Or(words[t.Unit], t.Unit))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// where describes the machines, dates and builds of the reports.
func where(list []*Report) string {
	var places, builds []string
	for _, r := range list {
		places = append(places, fmt.Sprintf("%s, %s", r.Machine, r.Began.Format(time.DateOnly)))
		builds = append(builds, r.Build)
	}
	slices.Sort(places)
	slices.Sort(builds)
	return strings.Join(slices.Compact(places), "; ") + ", build " + strings.Join(slices.Compact(builds), ", ")
}

// outcomes are numbers by outcome, the most frequent first.
func outcomes(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], strings.ReplaceAll(name, "_", " "))
	}
	return strings.Join(names, ", ")
}

// number writes a figure with as many digits as mean something, - for none.
func number(figure any) string {
	v, ok := figure.(float64)
	if p, isPointer := figure.(*float64); isPointer && p != nil {
		v, ok = *p, true
	}
	if !ok {
		return "-"
	}
	digits := max(0, 3-int(math.Log10(max(1, math.Abs(v)))))
	return strconv.FormatFloat(round(v, digits), 'f', -1, 64)
}
