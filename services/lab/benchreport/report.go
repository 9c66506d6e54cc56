// Package benchreport turns the output of benchmarks into docs/bench.json: the
// figures that the documentation promises, with where and when they were
// measured.
//
// A benchmark tells a figure by a line on standard output:
//
//	figure NAME VALUE UNIT
//
// If it tells one several times, the last counts, because the testing package
// runs a benchmark longer each time.
package benchreport

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Report is the content of the file.
type Report struct {
	// Commit is the commit that was measured last.
	Commit string `json:"commit"`
	// Machine names the system and the processor of the measurement.
	Machine string `json:"machine"`
	// Date is the time of the measurement, in UTC.
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

// ErrFailed says that a benchmark failed, or that a package didn't build.
var ErrFailed = errors.New("a benchmark failed")

// maxLine bounds a line of output, in bytes.
const maxLine = 1 << 20

// Run holds the results of one run of benchmarks.
type Run struct {
	// Machine is the system and the processor it ran on, as go test names them.
	Machine string
	// Values are the figures by name.
	Values map[string]Value
}

// Value is a measured number with its unit.
type Value struct {
	Number float64
	Unit   string
}

// Read reads the output of go test and copies it to echo. It reads to the end,
// so that the whole output is seen, and then returns an error if a benchmark
// failed (ErrFailed), a figure was malformed, or there was none.
func Read(r io.Reader, echo io.Writer) (Run, error) {
	run := Run{Values: map[string]Value{}}
	var system, processor string
	var errs []error
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := lines.Text()
		if _, err := fmt.Fprintln(echo, line); err != nil {
			return Run{}, fmt.Errorf("copy the output: %w", err)
		}
		key, rest, _ := strings.Cut(line, ": ")
		switch {
		case line == "FAIL" || strings.HasPrefix(line, "FAIL\t"):
			errs = append(errs, ErrFailed)
		case key == "goos":
			system = rest
		case key == "goarch":
			system, _, _ = strings.Cut(system, "/")
			system += "/" + rest
		case key == "cpu":
			processor = rest
		default:
			errs = append(errs, run.read(line))
		}
	}
	run.Machine = strings.Trim(system+", "+processor, ", ")
	if err := errors.Join(append(errs, lines.Err())...); err != nil {
		return Run{}, err
	}
	if len(run.Values) == 0 {
		return Run{}, errors.New("no benchmark told a figure")
	}
	return run, nil
}

// read takes a line's figure, if it has one. The testing package may have
// written the benchmark's name before it.
func (r *Run) read(line string) error {
	words := strings.Fields(line)
	if len(words) > 0 && strings.HasPrefix(words[0], "Benchmark") {
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "figure" {
		return nil
	}
	const name, value, unit, all = 1, 2, 3, 4
	if len(words) != all {
		return fmt.Errorf("%q: want figure NAME VALUE UNIT", line)
	}
	number, err := strconv.ParseFloat(words[value], 64)
	if err != nil || math.IsInf(number, 0) || math.IsNaN(number) {
		return fmt.Errorf("figure %s: value %s, want a number", words[name], words[value])
	}
	r.Values[words[name]] = Value{Number: number, Unit: words[unit]}
	return nil
}
