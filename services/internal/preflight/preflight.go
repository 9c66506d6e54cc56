// Package preflight looks, before anything is started, whether everything that
// Chorus needs is there and as it should be, and says what to do where it isn't.
// It changes nothing, and says nothing in any chat.
package preflight

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/chorus-cast/chorus/services/internal/names"
)

// Status is how well something is.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Warning Status = "warning" // works, but not as well as it could
	Failure Status = "failure" // does not work
)

// Finding is what was found out about one thing.
type Finding struct {
	Status Status `json:"status"`
	// Check is what was looked at: configuration, database, bus, redis, clock, llm,
	// bot, chat, member or approval.
	Check string `json:"check"`
	// Subject is which of them, by its name in the cast file; for a member, the bot
	// and the chat. Empty where there is one only.
	Subject string `json:"subject,omitempty"`
	// Found is what is so.
	Found string `json:"found"`
	// Remedy is what to do about it; empty if nothing has to be done.
	Remedy string `json:"remedy,omitempty"`
}

// Report is all that was found, in the order in which it is best mended.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Add adds findings.
func (r *Report) Add(findings ...Finding) { r.Findings = append(r.Findings, findings...) }

// Count returns how many findings have a status.
func (r *Report) Count(s Status) int {
	n := 0
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

// OK tells whether nothing failed. Warnings don't count.
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
