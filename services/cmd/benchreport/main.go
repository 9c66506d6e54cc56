// Benchreport reads the output of go test -bench on standard input, passes it
// on, and writes the figures in it to a file. See `make bench`.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/chorus-cast/chorus/services/lab/benchreport"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("benchreport", flag.ExitOnError)
	file := flags.String("file", "docs/bench.json", "the report to write")
	commit := flags.String("commit", "unknown", "the commit that is measured")
	merge := flags.Bool("merge", false, "keep the figures that this run didn't measure")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	measured, err := benchreport.Read(in, out)
	if err != nil {
		return err
	}
	measured.Machine = fmt.Sprintf("%s, %d cores", measured.Machine, runtime.NumCPU())
	var report benchreport.Report
	if *merge {
		if report, err = benchreport.Load(*file); err != nil {
			return err
		}
	}
	return report.Update(measured, *commit, time.Now()).Save(*file)
}
