package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	chorusv1 "github.com/chorus-cast/chorus/proto/chorus/v1"
	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/journal"
)

func deadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "Look at messages that could not be handled, and replay them",
		Long: `A message of the bus that can't be handled, or that failed too often, becomes a
dead letter, and its turn is dead. Here they are listed, shown, replayed and
purged.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(deadListCommand(), deadShowCommand(), deadReplayCommand(), deadPurgeCommand())
	return cmd
}

// letterFlags choose dead letters.
type letterFlags struct {
	stream, chat      string
	since, olderThan  time.Duration
	notReplayed, each bool
}

func (f *letterFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.stream, "stream", "", "only those of a stream, "+subject.Turns+" or "+subject.Deliveries)
	cmd.Flags().StringVar(&f.chat, "chat", "", "only those of a chat, by its name in the cast file")
	cmd.Flags().DurationVar(&f.since, "since", 0, "only those of the last hours, such as 24h")
	cmd.Flags().DurationVar(&f.olderThan, "older-than", 0, "only those that are older, such as 168h")
	cmd.Flags().BoolVar(&f.notReplayed, "not-replayed", false, "only those that were never replayed")
}

// filter is what the flags and an optional id choose.
func (f *letterFlags) filter(args []string) journal.LetterFilter {
	out := journal.LetterFilter{Stream: strings.ToUpper(f.stream), Chat: f.chat, Unreplayed: f.notReplayed}
	if len(args) == 1 {
		out.ID = args[0]
	}
	if f.since > 0 {
		out.Since = f.since
	}
	if f.olderThan > 0 {
		out.OlderThan = f.olderThan
	}
	return out
}

// maxLetters bounds what one command looks at.
const maxLetters = 10_000

func deadListCommand() *cobra.Command {
	cfg := newConfiguration()
	var flags letterFlags
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, the newest first", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > maxLetters {
				return run.Usage(fmt.Errorf("--limit: %d, want 1 to %d", limit, maxLetters))
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				letters, err := journal.New(pool).FindLetters(ctx, flags.filter(nil), limit)
				if err != nil {
					return err
				}
				return printLetters(cmd.OutOrStdout(), letters)
			})
		},
	}
	flags.bind(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "how many to list")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

func printLetters(w io.Writer, letters []journal.Letter) error {
	if len(letters) == 0 {
		_, err := fmt.Fprintln(w, "There are no dead letters.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tDIED\tSERVICE\tCHAT\tTURN\tATTEMPTS\tREPLAYS\tREASON") // written by Flush
	for _, l := range letters {
		turn := "-"
		if l.GetTurn() != nil {
			turn = subject.TurnID(l.GetTurn())
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", l.GetId(), l.GetLastAt().AsTime().UTC().Format(time.RFC3339),
			l.GetService(), orDash(l.Chat), turn, l.GetAttempts(), l.Replays, l.GetReason())
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the list: %w", err)
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func deadShowCommand() *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a dead letter with what it carried, as JSON", Args: arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				letters, err := journal.New(pool).FindLetters(ctx, journal.LetterFilter{ID: args[0]}, 1)
				if err != nil {
					return err
				}
				if len(letters) == 0 {
					return run.Usage(fmt.Errorf("%s: %w", args[0], journal.ErrNoLetter))
				}
				return printLetter(cmd.OutOrStdout(), letters[0])
			})
		},
	}
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

func printLetter(w io.Writer, l journal.Letter) error {
	format := protojson.MarshalOptions{Multiline: true, Indent: "  "}
	if _, err := fmt.Fprintln(w, format.Format(l.DeadLetter)); err != nil {
		return err
	}
	var carried proto.Message
	switch l.GetStream() {
	case subject.Turns:
		carried = &chorusv1.Turn{}
	case subject.Deliveries:
		carried = &chorusv1.Delivery{}
	default:
		return nil
	}
	if err := proto.Unmarshal(l.GetPayload(), carried); err != nil {
		_, err = fmt.Fprintf(w, "Its payload is no %s.\n", carried.ProtoReflect().Descriptor().Name())
		return err
	}
	_, err := fmt.Fprintf(w, "Its payload:\n%s\n", format.Format(carried))
	return err
}

func deadReplayCommand() *cobra.Command {
	cfg := newConfiguration()
	var flags letterFlags
	var good time.Duration
	cmd := &cobra.Command{
		Use:   "replay [ID]",
		Short: "Give a dead turn, or all that the flags choose, another chance",
		Long: `Opens dead turns again, with the identity and the content that they had. They are
good for the time given with --for, because their own is over.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !flags.each {
				return run.Usage(errors.New("want an ID, or --all with flags that choose"))
			}
			if good < time.Second || good > 24*time.Hour {
				return run.Usage(fmt.Errorf("--for: %v, want 1s to 24h", good))
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				return replay(ctx, cmd.OutOrStdout(), journal.New(pool), flags.filter(args), good)
			})
		},
	}
	flags.bind(cmd)
	cmd.Flags().BoolVar(&flags.each, "all", false, "replay every dead letter that the flags choose")
	cmd.Flags().DurationVar(&good, "for", 2*time.Minute, "how long the turns are good for")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

func replay(ctx context.Context, w io.Writer, j *journal.Journal, f journal.LetterFilter, good time.Duration) error {
	letters, err := j.FindLetters(ctx, f, maxLetters)
	if err != nil {
		return err
	}
	if f.ID != "" && len(letters) == 0 {
		return run.Usage(fmt.Errorf("%s: %w", f.ID, journal.ErrNoLetter))
	}
	var errs []error
	done := 0
	for _, l := range letters {
		if err := j.Replay(ctx, l.GetId(), good); err != nil {
			errs = append(errs, err)
			continue
		}
		done++
	}
	_, err = fmt.Fprintf(w, "Replayed %d of %d.\n", done, len(letters))
	return errors.Join(append(errs, err)...)
}

func deadPurgeCommand() *cobra.Command {
	cfg := newConfiguration()
	var flags letterFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "purge [ID]",
		Short: "Delete a dead letter, or all that the flags choose",
		Long:  `Deletes dead letters. Their turns stay dead, and can't be replayed any more.`,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !flags.each {
				return run.Usage(errors.New("want an ID, or --all with flags that choose"))
			}
			if !yes {
				if err := confirm(cmd, "This deletes dead letters for good. Go on?"); err != nil {
					return err
				}
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				n, err := journal.New(pool).PurgeLetters(ctx, flags.filter(args))
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "Purged %d.\n", n)
				return err
			})
		},
	}
	flags.bind(cmd)
	cmd.Flags().BoolVar(&flags.each, "all", false, "purge every dead letter that the flags choose")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}
