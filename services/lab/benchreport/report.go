package benchreport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Report is the content of the file.
type Report struct {
	// Commit is the commit that was measured last.
	Commit string `json:"commit"`
	// Machine is what it was measured on.
	Machine string `json:"machine"`
	// Date is when, in UTC.
	Date time.Time `json:"date"`
	// Figures are in the order of their names.
	Figures []Figure `json:"figures"`
}

// Figure is one measured number.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Commit is set where the figure is older than the report.
	Commit string `json:"commit,omitempty"`
}

// Load reads a report. A file that doesn't exist is an empty one.
func Load(path string) (Report, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Report{}, nil
	}
	if err != nil {
		return Report{}, fmt.Errorf("read the report: %w", err)
	}
	var report Report
	if err := json.Unmarshal(content, &report); err != nil {
		return Report{}, fmt.Errorf("read the report %s: %w", path, err)
	}
	return report, nil
}

// Save writes a report as a whole: whoever reads the file meanwhile sees the
// old one or the new one.
func (r Report) Save(path string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".bench-*")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	const readable = 0o644
	_, writing := file.Write(append(content, '\n'))
	if err := errors.Join(writing, file.Chmod(readable), file.Close()); err != nil {
		return errors.Join(fmt.Errorf("write the report: %w", err), os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return errors.Join(fmt.Errorf("write the report: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// Update returns a report of this run that keeps what it didn't measure from
// the old report, marked with the commit that was measured then.
func (r Report) Update(run Run, commit string, at time.Time) Report {
	updated := Report{Commit: commit, Machine: run.Machine, Date: at.UTC().Truncate(time.Second)}
	for name, value := range run.Values {
		updated.Figures = append(updated.Figures, Figure{Name: name, Value: value.Number, Unit: value.Unit})
	}
	for _, old := range r.Figures {
		if _, measured := run.Values[old.Name]; measured {
			continue
		}
		if old.Commit == "" && r.Commit != commit {
			old.Commit = r.Commit
		}
		updated.Figures = append(updated.Figures, old)
	}
	slices.SortFunc(updated.Figures, func(a, b Figure) int { return strings.Compare(a.Name, b.Name) })
	return updated
}
