package command

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// table prints lines in columns, which tabs separate.
type table struct{ out *tabwriter.Writer }

func newTable(w io.Writer) table { return table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

// newNumbers returns a table with right-aligned columns. Each column ends with a tab.
func newNumbers(w io.Writer) table {
	return table{tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)}
}

// linef adds a line. end prints all lines.
func (t table) linef(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format+"\n", args...) }

func (t table) end() error {
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("write a table: %w", err)
	}
	return nil
}
