package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/talk"
	"github.com/chorus-cast/chorus/services/internal/talk/page"
	"github.com/chorus-cast/chorus/services/internal/talk/source"
)

// reviewed is what the flags of chorus review say.
type reviewed struct {
	source.Options

	since time.Duration
	json  bool
	html  string
}

func reviewCommand() *cobra.Command {
	cfg := newConfiguration()
	r := reviewed{since: 7 * 24 * time.Hour}
	cmd := &cobra.Command{
		Use:   "review [FILE]",
		Short: "Measure how a conversation reads",
		Long: `Measures a transcript: its rhythm, who takes the floor, what is answered, how it is
worded, and whether the voices differ; and says which figures lie in the band of
people who talk in groups. The transcript is a chat of the database, by --chat, or
a file: a JSON object with "lines", the result.json of an export of Telegram
Desktop, the emulator's log of calls or messages of a chat, or what chorus simulate
--output json prints. - is the standard input.`,
		Example: `  chorus review --chat book-club --since 24h
  chorus review result.json --bot "Anna Lindqvist" --html review.html
  chorus simulate -f cast.yaml --output json | chorus review -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 0 && r.Chat != "" {
				return nil
			}
			return run.Usage(fmt.Errorf("got %d files, want one, or --chat alone (see %s --help)", len(args), cmd.CommandPath()))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				lines, err := r.read(cmd.InOrStdin(), args[0])
				if err != nil {
					return err
				}
				return r.write(cmd.OutOrStdout(), args[0], lines)
			}
			if r.since <= 0 {
				return run.Usage(fmt.Errorf("--since: %v, want more than 0s", r.since))
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				_, id, err := (&where{chat: r.Chat}).find(ctx, pool)
				if err != nil {
					return err
				}
				lines, err := source.Chat(ctx, pool, id, r.since)
				if err != nil {
					return err
				}
				return r.write(cmd.OutOrStdout(), r.Chat, lines)
			})
		},
	}
	r.bind(cmd)
	cmd.Flags().DurationVar(&r.since, "since", r.since, "how far back to read a chat of the database")
	cmd.Flags().StringVar(&r.html, "html", "", "write a page with plots to this file, too")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	cmd.AddCommand(reviewCompareCommand())
	return cmd
}

func (r *reviewed) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.Chat, "chat", "", "the chat: one of the database by its name in the cast file, or one of a file that has several")
	cmd.Flags().StringArrayVar(&r.Bots, "bot", nil, "who is a bot in an export of Telegram, by the name there; may be repeated")
	cmd.Flags().BoolVar(&r.json, "json", false, "print JSON")
}

// read reads a transcript. An error names the file.
func (r *reviewed) read(in io.Reader, file string) ([]talk.Line, error) {
	content, err := contentOf(in, file)
	if err != nil {
		return nil, err
	}
	return r.parse(content, file)
}

func (r *reviewed) parse(content []byte, file string) ([]talk.Line, error) {
	lines, err := source.Parse(content, r.Options)
	if err != nil {
		return nil, run.Usage(fmt.Errorf("%s: %w", file, err))
	}
	return lines, nil
}

func contentOf(in io.Reader, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(in)
	}
	content, err := os.ReadFile(file)
	return content, run.Usage(err)
}

// rated is a review as JSON.
type rated struct {
	Measures []talk.Row `json:"measures"`
}

func (r *reviewed) write(w io.Writer, title string, lines []talk.Line) error {
	rows := talk.Review(lines)
	if r.html != "" {
		file, err := os.Create(r.html)
		if err != nil {
			return run.Usage(err)
		}
		if err := errors.Join(page.Write(file, title, lines, rows), file.Close()); err != nil {
			return err
		}
	}
	if r.json {
		return writeJSON(w, rated{rows})
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "MEASURE\tFIGURE\tWANTED\t\tMEANING") // written by Flush
	for _, row := range rows {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", row.Name, row.Shown(), row.Want, row.Verdict, row.Meaning)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the figures: %w", err)
	}
	return nil
}

func reviewCompareCommand() *cobra.Command {
	var r reviewed
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "Compare two conversations, or two reviews",
		Long: `Shows the measures of two transcripts beside each other. Each is a file as chorus
review takes it, or what chorus review --json printed.`,
		Example: `  chorus review --chat book-club --json >before.json
  chorus review compare before.json after.json`,
		Args: arguments("A", "B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var sides [2][]talk.Row
			for i, file := range args {
				var err error
				if sides[i], err = r.rows(cmd.InOrStdin(), file); err != nil {
					return err
				}
			}
			return r.compare(cmd.OutOrStdout(), sides[0], sides[1])
		},
	}
	r.bind(cmd)
	return cmd
}

// rows are the measures of a transcript, or of a review that was printed as JSON.
func (r *reviewed) rows(in io.Reader, file string) ([]talk.Row, error) {
	content, err := contentOf(in, file)
	if err != nil {
		return nil, err
	}
	var earlier rated
	if json.Unmarshal(content, &earlier) == nil && earlier.Measures != nil {
		return earlier.Measures, nil
	}
	lines, err := r.parse(content, file)
	if err != nil {
		return nil, err
	}
	return talk.Review(lines), nil
}

// compared is a measure of two transcripts.
type compared struct {
	A talk.Row `json:"a"`
	B talk.Row `json:"b"`
}

// compare shows the measures that both have.
func (r *reviewed) compare(w io.Writer, a, b []talk.Row) error {
	var both []compared
	for _, left := range a {
		for _, right := range b {
			if left.Name == right.Name {
				both = append(both, compared{left, right})
			}
		}
	}
	if r.json {
		return writeJSON(w, struct {
			Measures []compared `json:"measures"`
		}{both})
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "MEASURE\tA\t\tB\t\tWANTED\tMEANING") // written by Flush
	for _, c := range both {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			c.A.Name, c.A.Shown(), c.A.Verdict, c.B.Shown(), c.B.Verdict, c.B.Want, c.B.Meaning)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the figures: %w", err)
	}
	return nil
}
