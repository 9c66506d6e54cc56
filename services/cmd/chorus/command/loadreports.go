//go:build !image

package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/lab/load/report"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

func loadSummaryCommand() *cobra.Command {
	var figures bool
	cmd := &cobra.Command{
		Use:   "summary REPORT...",
		Short: "Summarise reports as a page of documentation",
		Long: `Prints a page in Markdown that summarises reports, with the predecessor's figures
beside. With --figures it prints the targets' values instead, as benchmarks do.`,
		Example: "  chorus load summary reports/*.json > docs/performance.md",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return nil
			}
			return run.Usage(fmt.Errorf("got no reports, want one or more (see %s --help)", cmd.CommandPath()))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := loadReports(args)
			if err != nil {
				return err
			}
			if figures {
				return report.WriteFigures(cmd.OutOrStdout(), list)
			}
			return report.WriteMarkdown(cmd.OutOrStdout(), list)
		},
	}
	cmd.Flags().BoolVar(&figures, "figures", false, "print the targets' values as figures of benchmarks")
	return cmd
}

func loadMeasuresCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "measures",
		Short: "List what targets of scenarios can be about",
		Long:  "Lists what is measured in each phase and in the whole run, for targets of scenarios.",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			table := newTable(cmd.OutOrStdout())
			table.linef("MEASURE\tUNIT\tOF\tMEANING")
			for _, m := range scenario.Measures() {
				of := "phase"
				if m.Whole {
					of = "run"
				}
				table.linef("%s\t%s\t%s\t%s", m.Name, m.Unit, of, m.Doc)
			}
			return table.end()
		},
	}
}
