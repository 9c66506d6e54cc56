package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Missed is how many targets were missed.
func (r *Report) Missed() int {
	n := 0
	for _, t := range r.Targets {
		if !t.Passed {
			n++
		}
	}
	return n
}

// WriteText writes a summary for a terminal.
func (r *Report) WriteText(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	write := func(cells ...string) { _, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) } // written by Flush
	a := r.Accounting
	write(fmt.Sprintf("%s: %s", r.Scenario, r.Summary))
	write(fmt.Sprintf("%d bots, %d chats, %s", r.Bots, r.Chats, time.Duration(r.Seconds())*time.Second))
	write()
	write(fmt.Sprintf("%d turns planned: %s", a.Planned, outcomes(a.Outcomes)))
	write(fmt.Sprintf("Telegram took %d messages, %d of unknown outcome, and %d reactions; lost %d, duplicates %d, out of order %d, late %d",
		a.Messages, a.Unknown, a.Reactions, a.Lost, a.Duplicates, a.OutOfOrder, a.Late))
	for _, p := range a.Problems {
		write("  " + p)
	}
	write()
	write("STAGE", "TURNS", "P50 ms", "P90 ms", "P99 ms", "MAX ms")
	for _, s := range r.Stages {
		write(s.Name, strconv.Itoa(s.Count), number(s.P50), number(s.P90), number(s.P99), number(s.Max))
	}
	write()
	write("SERVICE", "PROCESSES", "CORES", "MEAN MB", "MOST MB", "SLOPE %/min")
	for _, u := range r.Services {
		write(u.Service, strconv.Itoa(u.Processes), number(u.Cores), number(u.MeanMB), number(u.MostMB), optional(u.MemorySlope))
	}
	if len(r.Targets) > 0 {
		write()
		write("TARGET", "MEASURED", "WANT", "", "WHAT")
		for _, t := range r.Targets {
			write(t.Name, optional(t.Value)+" "+t.Unit, t.Bound(), t.Verdict(), t.Measure)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

// Bound is what a target wants, in signs.
func (t Target) Bound() string {
	var words []string
	if t.Min != nil {
		words = append(words, "≥ "+number(*t.Min))
	}
	if t.Max != nil {
		words = append(words, "≤ "+number(*t.Max))
	}
	return strings.Join(words, ", ")
}

// Verdict is whether a target was met, in a word.
func (t Target) Verdict() string {
	switch {
	case t.Value == nil:
		return "not measured"
	case t.Passed:
		return "pass"
	default:
		return "FAIL"
	}
}

// outcomes are numbers by outcome, the most frequent first.
func outcomes(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = fmt.Sprintf("%d %s", counts[name], strings.ReplaceAll(name, "_", " "))
	}
	return strings.Join(words, ", ")
}

// number writes a figure with as many digits as mean something.
func number(v float64) string {
	digits := 3
	switch size := max(v, -v); {
	case size >= 1000:
		digits = 0
	case size >= 100:
		digits = 1
	case size >= 10:
		digits = 2
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func optional(v *float64) string {
	if v == nil {
		return "-"
	}
	return number(*v)
}
