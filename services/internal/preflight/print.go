package preflight

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// WriteTable writes a line for each finding, and below it how to mend it.
func (r *Report) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.DiscardEmptyColumns)
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", mark(f.Status), f.Check, f.Subject, names.Line(f.Found, 0)) // written by Flush
		if f.Remedy != "" {
			_, _ = fmt.Fprintf(table, "\t\t\t→ %s\n", names.Line(f.Remedy, 0))
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	_, err := fmt.Fprintf(w, "\n%d failed, %d warnings, %d well.\n", r.Count(Failure), r.Count(Warning), r.Count(OK))
	return err
}

func mark(s Status) string {
	switch s {
	case OK:
		return "ok"
	case Warning:
		return "WARN"
	case Failure:
		return "FAIL"
	}
	return string(s)
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	findings := r.Findings
	if findings == nil {
		findings = []Finding{}
	}
	if err := out.Encode(struct {
		OK       bool      `json:"ok"`
		Findings []Finding `json:"findings"`
	}{r.OK(), findings}); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
