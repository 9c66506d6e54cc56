// Package preflight checks, before services start, whether everything that Chorus needs is there
// and works, and says what to do if not. It changes nothing, and sends nothing to any chat.
package preflight

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// Status is the result of a check.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Warning Status = "warning" // works, but with a disadvantage
	Failure Status = "failure" // doesn't work
)

// Finding is the result of one check.
type Finding struct {
	Status Status `json:"status"`
	// Check is the kind of the check: configuration, database, bus, redis, clock, llm, bot, chat,
	// member or approval.
	Check string `json:"check"`
	// Subject is the checked object, by its name in the cast file; for a member, the bot and the
	// chat. It is empty if there is only one.
	Subject string `json:"subject,omitempty"`
	// Found describes the state.
	Found string `json:"found"`
	// Remedy says what to do; empty if nothing has to be done.
	Remedy string `json:"remedy,omitempty"`
}

// Report holds all findings, in the best order of fixing them.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Add adds findings.
func (r *Report) Add(findings ...Finding) { r.Findings = append(r.Findings, findings...) }

// Count returns the number of findings with a status.
func (r *Report) Count(s Status) int {
	n := 0
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

// OK reports whether nothing failed. Warnings don't count.
func (r *Report) OK() bool { return r.Count(Failure) == 0 }

func well(check, subject, found string) Finding {
	return Finding{Status: OK, Check: check, Subject: subject, Found: found}
}

func warn(check, subject, found, remedy string) Finding {
	return Finding{Status: Warning, Check: check, Subject: subject, Found: found, Remedy: remedy}
}

func fail(check, subject, found, remedy string) Finding {
	return Finding{Status: Failure, Check: check, Subject: subject, Found: found, Remedy: remedy}
}

// WriteTable writes a line for each finding, and its remedy below.
func (r *Report) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.DiscardEmptyColumns)
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", mark(f.Status), f.Check, f.Subject, names.Line(f.Found, 0)) // Flush returns errors
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
