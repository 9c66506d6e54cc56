package report

import (
	"fmt"
	"io"
	"math"
	"strings"
)

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
