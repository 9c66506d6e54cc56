package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/llm/chain"
	"github.com/chorus-cast/chorus/services/internal/talk"
	"github.com/chorus-cast/chorus/services/internal/talk/judge"
	"github.com/chorus-cast/chorus/services/internal/talk/page"
	"github.com/chorus-cast/chorus/services/internal/talk/source"
)

// reviewed holds the flags of chorus review.
type reviewed struct {
	source.Options

	since time.Duration
	json  bool
	html  string
	judge bool
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
--output json prints. - is the standard input. Of a chat with people it tells how
many answers and reactions of theirs each bot got to 100 lines.

With --judge it asks the configured model, too: whether bots contradict themselves and,
of a chat of the database, whether its personas keep to what they think, say and have in
an interview of ten questions on each, and whether they say that they are bots. One that
doesn't is an error. The calls are counted, and held to the budgets, as those of turns.`,
		Example: `  chorus review --chat book-club --since 24h
  chorus review --chat book-club --judge
  chorus review result.json --bot "Anna Lindqvist" --html review.html
  chorus simulate -f cast.yaml --output json | chorus review -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 0 && r.Chat != "" {
				return nil
			}
			return run.Usage(fmt.Errorf("got %d files, want one, or --chat alone (see %s --help)", len(args), cmd.CommandPath()))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.since <= 0 {
				return run.Usage(fmt.Errorf("--since: %v, want more than 0s", r.since))
			}
			if len(args) == 0 {
				return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
					_, id, err := (&where{chat: r.Chat}).find(ctx, pool)
					if err != nil {
						return err
					}
					lines, err := source.Chat(ctx, pool, id, r.since)
					if err != nil {
						return err
					}
					return r.review(ctx, cmd.OutOrStdout(), cfg, pool, r.Chat, id, lines)
				})
			}
			lines, err := r.read(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			if !r.judge {
				return r.write(cmd.OutOrStdout(), args[0], lines, nil)
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				return r.review(ctx, cmd.OutOrStdout(), cfg, pool, args[0], 0, lines)
			})
		},
	}
	r.bind(cmd)
	cmd.Flags().DurationVar(&r.since, "since", r.since, "how far back to read a chat of the database")
	cmd.Flags().StringVar(&r.html, "html", "", "write a page with plots to this file, too")
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionLLM, sectionGenerator)
	cmd.AddCommand(reviewCompareCommand())
	return cmd
}

// review writes the measures of a transcript and, with --judge, a model's verdict. chat is
// 0 for a transcript that isn't from the database.
func (r *reviewed) review(ctx context.Context, w io.Writer, cfg *configuration, pool *pgxpool.Pool, title string, chat int64, lines []talk.Line) error {
	if !r.judge {
		return r.write(w, title, lines, nil)
	}
	said, err := ask(ctx, cfg, pool, chat, lines)
	if err != nil {
		return err
	}
	return errors.Join(r.write(w, title, lines, &said), said.honest())
}

func (r *reviewed) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.Chat, "chat", "", "the chat: one of the database by its name in the cast file, or one of a file that has several")
	cmd.Flags().StringArrayVar(&r.Bots, "bot", nil, "who is a bot in an export of Telegram, by the name there; may be repeated")
	cmd.Flags().BoolVar(&r.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&r.judge, "judge", false, "ask the configured model, too")
}

// read reads a transcript. Errors name the file.
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

// rated is the JSON form of a review.
type rated struct {
	Measures []talk.Row     `json:"measures"`
	Welcomed []talk.Welcome `json:"welcomed,omitempty"`
	Judged   *judged        `json:"judged,omitempty"`
}

// write prints a review. said is nil without a model's verdict.
func (r *reviewed) write(w io.Writer, title string, lines []talk.Line, said *judged) error {
	rows, welcomed := talk.Review(lines), talk.Welcomed(lines)
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
		return writeJSON(w, rated{rows, welcomed, said})
	}
	table := newTable(w)
	table.linef("MEASURE\tFIGURE\tWANTED\t\tMEANING")
	for _, row := range rows {
		table.linef("%s\t%s\t%s\t%s\t%s", row.Name, row.Shown(), row.Want, row.Verdict, row.Meaning)
	}
	if len(welcomed) > 0 {
		table.linef("\nBOT\tLINES\tANSWERS\t\tREACTIONS OF PEOPLE, TO 100 LINES")
	}
	for _, b := range welcomed {
		table.linef("%s\t%d\t%.3g\t\t%.3g", b.Who, b.Lines, b.Answers, b.Reactions)
	}
	if err := table.end(); err != nil || said == nil {
		return err
	}
	return said.print(w)
}

func reviewCompareCommand() *cobra.Command {
	cfg := newConfiguration()
	var r reviewed
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "Compare two conversations, or two reviews",
		Long: `Shows the measures of two transcripts beside each other. Each is a file as chorus
review takes it, or what chorus review --json printed. With --judge the configured model
reads up to five pairs of excerpts of two transcripts, and says which is better; each
pair twice, the second time in the other order.`,
		Example: `  chorus review --chat book-club --json >before.json
  chorus review compare before.json after.json`,
		Args: arguments("A", "B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var sides [2]side
			for i, file := range args {
				var err error
				if sides[i], err = r.side(cmd.InOrStdin(), file); err != nil {
					return err
				}
				if r.judge && sides[i].lines == nil {
					return run.Usage(fmt.Errorf("%s: is a review, want a transcript for --judge to read", file))
				}
			}
			if !r.judge {
				return r.compare(cmd.OutOrStdout(), sides[0].rows, sides[1].rows, nil)
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				return withJudge(ctx, cfg, pool, func(ctx context.Context, texts *chain.Chain) error {
					better, err := judge.Judge{Model: texts, MaxTokens: cfg.generator.MaxTokens}.Compare(ctx, sides[0].lines, sides[1].lines)
					if err != nil {
						return err
					}
					return r.compare(cmd.OutOrStdout(), sides[0].rows, sides[1].rows, &better)
				})
			})
		},
	}
	r.bind(cmd)
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionLLM, sectionGenerator)
	return cmd
}

// side is one of two transcripts that are compared: its measures, and its lines unless it
// was read from the JSON of a review.
type side struct {
	rows  []talk.Row
	lines []talk.Line
}

// side reads a transcript, or a review in JSON.
func (r *reviewed) side(in io.Reader, file string) (side, error) {
	content, err := contentOf(in, file)
	if err != nil {
		return side{}, err
	}
	var earlier rated
	if json.Unmarshal(content, &earlier) == nil && earlier.Measures != nil {
		return side{rows: earlier.Measures}, nil
	}
	lines, err := r.parse(content, file)
	if err != nil {
		return side{}, err
	}
	return side{talk.Review(lines), lines}, nil
}

// compared holds one measure of two transcripts.
type compared struct {
	A talk.Row `json:"a"`
	B talk.Row `json:"b"`
}

// compare prints the measures that both transcripts have, and a model's preference unless
// it is nil.
func (r *reviewed) compare(w io.Writer, a, b []talk.Row, better *judge.Preference) error {
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
			Measures []compared        `json:"measures"`
			Better   *judge.Preference `json:"better,omitempty"`
		}{both, better})
	}
	table := newTable(w)
	table.linef("MEASURE\tA\t\tB\t\tWANTED\tMEANING")
	for _, c := range both {
		table.linef("%s\t%s\t%s\t%s\t%s\t%s\t%s",
			c.A.Name, c.A.Shown(), c.A.Verdict, c.B.Shown(), c.B.Verdict, c.B.Want, c.B.Meaning)
	}
	if better != nil {
		table.linef("\nBETTER, SAYS THE MODEL\t%d\t\t%d\t\t\t%d undecided: it depended on the order", better.A, better.B, better.Undecided)
	}
	return table.end()
}
