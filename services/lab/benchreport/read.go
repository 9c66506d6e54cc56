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
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// ErrFailed says that a benchmark failed, or that a package didn't build.
var ErrFailed = errors.New("a benchmark failed")

// maxLine bounds a line of output, in bytes.
const maxLine = 1 << 20

// Run is what one run of benchmarks told.
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
