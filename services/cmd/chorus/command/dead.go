package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/chorus-cast/chorus/proto/subject"
	"github.com/chorus-cast/chorus/services/internal/bus"
	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
	"github.com/chorus-cast/chorus/services/internal/journal"
)

func deadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "Look at turns that could not be done, and replay them",
		Long: `A turn that can't be done, or that failed too often, is dead, and a dead letter
tells why. It is named by its turn, such as 3-17. Here they are listed, shown,
replayed and purged.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(deadListCommand(), deadShowCommand(), deadReplayCommand(), deadPurgeCommand())
	return cmd
}

// deadLetterFlags select dead letters.
type deadLetterFlags struct {
	service, chat     string
	since, olderThan  time.Duration
	notReplayed, each bool
}

func (f *deadLetterFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.service, "service", "", "only those that a service gave up on, generator or sender")
	cmd.Flags().StringVar(&f.chat, "chat", "", "only those of a chat, by its name in the cast file")
	cmd.Flags().DurationVar(&f.since, "since", 0, "only those of the last hours, such as 24h")
	cmd.Flags().DurationVar(&f.olderThan, "older-than", 0, "only those that are older, such as 168h")
	cmd.Flags().BoolVar(&f.notReplayed, "not-replayed", false, "only those that were never replayed")
}

// filter returns the filter for the flags and an optional turn.
func (f *deadLetterFlags) filter(args []string) (journal.DeadLetterFilter, error) {
	out := journal.DeadLetterFilter{Service: f.service, Chat: f.chat, Unreplayed: f.notReplayed, Since: max(f.since, 0), OlderThan: max(f.olderThan, 0)}
	if len(args) == 0 {
		return out, nil
	}
	id, err := subject.ParseTurnID(args[0])
	if err != nil {
		return out, run.Usage(err)
	}
	out.Turn = id
	return out, nil
}

// maxDeadLetters limits the dead letters that one command handles.
const maxDeadLetters = 10_000

func deadListCommand() *cobra.Command {
	cfg := newConfiguration()
	var flags deadLetterFlags
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, the newest first", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > maxDeadLetters {
				return run.Usage(fmt.Errorf("--limit: %d, want 1 to %d", limit, maxDeadLetters))
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				f, err := flags.filter(nil)
				if err != nil {
					return err
				}
				letters, err := journal.New(pool).FindDeadLetters(ctx, f, limit)
				if err != nil {
					return err
				}
				return printDeadLetters(cmd.OutOrStdout(), letters)
			})
		},
	}
	flags.bind(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "how many to list")
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

func printDeadLetters(w io.Writer, letters []journal.DeadLetter) error {
	if len(letters) == 0 {
		_, err := fmt.Fprintln(w, "There are no dead letters.")
		return err
	}
	table := newTable(w)
	table.linef("TURN\tCHAT\tDIED\tSERVICE\tATTEMPTS\tREPLAYS\tREASON")
	for _, l := range letters {
		table.linef("%s\t%s\t%s\t%s\t%d\t%d\t%s", subject.TurnID(l.Turn), l.Chat, l.DiedAt.UTC().Format(time.RFC3339),
			l.Service, l.Attempts, l.Replays, l.Reason)
	}
	return table.end()
}

func deadShowCommand() *cobra.Command {
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use: "show TURN", Short: "Show a dead letter, with its turn and what became of it, as JSON", Args: arguments("TURN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := (&deadLetterFlags{}).filter(args)
			if err != nil {
				return err
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				letters, err := journal.New(pool).FindDeadLetters(ctx, f, 1)
				if err != nil {
					return err
				}
				if len(letters) == 0 {
					return run.Usage(fmt.Errorf("%s: %w", args[0], journal.ErrNoDeadLetter))
				}
				return printDeadLetter(cmd.OutOrStdout(), letters[0])
			})
		},
	}
	cfg.Bind(cmd.Flags(), sectionDatabase)
	return cmd
}

// deadLetterJSON is the JSON form of a dead letter.
type deadLetterJSON struct {
	Turn       string          `json:"turn"`
	Chat       string          `json:"chat"`
	Service    string          `json:"service"`
	Reason     string          `json:"reason"`
	Attempts   int             `json:"attempts"`
	DiedAt     time.Time       `json:"diedAt"`
	Replays    int             `json:"replays"`
	ReplayedAt time.Time       `json:"replayedAt,omitzero"`
	Planned    json.RawMessage `json:"planned"`
	Delivery   json.RawMessage `json:"delivery,omitempty"`
}

func printDeadLetter(w io.Writer, l journal.DeadLetter) (err error) {
	shown := deadLetterJSON{
		Turn: subject.TurnID(l.Turn), Chat: l.Chat, Service: l.Service, Reason: l.Reason, Attempts: l.Attempts,
		DiedAt: l.DiedAt.UTC(), Replays: l.Replays, ReplayedAt: l.ReplayedAt.UTC(),
	}
	if shown.Planned, err = protojson.Marshal(l.Planned); err != nil {
		return fmt.Errorf("show the turn: %w", err)
	}
	if l.Delivery != nil {
		if shown.Delivery, err = protojson.Marshal(l.Delivery); err != nil {
			return fmt.Errorf("show the delivery: %w", err)
		}
	}
	return writeJSON(w, shown)
}

// writeJSON writes a value as indented JSON.
func writeJSON(w io.Writer, value any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	if err := out.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

func deadReplayCommand() *cobra.Command {
	cfg := newConfiguration()
	var flags deadLetterFlags
	var good time.Duration
	cmd := &cobra.Command{
		Use:   "replay [TURN]",
		Short: "Give a dead turn, or all that the flags choose, another chance",
		Long: `Opens dead turns again, with the identity and the content that they had. They are
good for the time given with --for, because their own is over. The services are told
over the bus; where that is not reached, they find the turns within some seconds.`,
		Example: `  chorus dead replay 3-17
  chorus dead replay --all --service sender --since 1h`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !flags.each {
				return run.Usage(errors.New("want a TURN, or --all with flags that choose"))
			}
			if good < time.Second || good > 24*time.Hour {
				return run.Usage(fmt.Errorf("--for: %v, want 1s to 24h", good))
			}
			f, err := flags.filter(args)
			if err != nil {
				return err
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				rings := map[bus.Queue][]int64{}
				err := replay(ctx, cmd.OutOrStdout(), journal.New(pool), f, good, rings)
				return errors.Join(err, ring(cmd, cfg, rings))
			})
		},
	}
	flags.bind(cmd)
	cmd.Flags().BoolVar(&flags.each, "all", false, "replay every dead letter that the flags choose")
	cmd.Flags().DurationVar(&good, "for", 2*time.Minute, "how long the turns are good for")
	cfg.Bind(cmd.Flags(), sectionDatabase, sectionNATS, sectionLog)
	return cmd
}

// replay reopens dead turns and adds their chats to rings.
func replay(ctx context.Context, w io.Writer, j *journal.Journal, f journal.DeadLetterFilter, good time.Duration, rings map[bus.Queue][]int64) error {
	letters, err := j.FindDeadLetters(ctx, f, maxDeadLetters)
	if err != nil {
		return err
	}
	if f.Turn != nil && len(letters) == 0 {
		return run.Usage(fmt.Errorf("%s: %w", subject.TurnID(f.Turn), journal.ErrNoDeadLetter))
	}
	var errs []error
	done := 0
	for _, l := range letters {
		lane, err := j.Replay(ctx, l.Turn, good)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", subject.TurnID(l.Turn), err))
			continue
		}
		done++
		to := bus.OfLane(lane)
		rings[to] = append(rings[to], l.Turn.GetChatId())
	}
	_, err = fmt.Fprintf(w, "Replayed %d of %d.\n", done, len(letters))
	return errors.Join(append(errs, err)...)
}

// ring rings for the chats of reopened turns. Without a bus, the services' sweeps find
// them.
func ring(cmd *cobra.Command, cfg *configuration, rings map[bus.Queue][]int64) error {
	if len(rings) == 0 || cfg.nats.URL == "" {
		return nil
	}
	cfg.nats.ConnectTimeout = min(cfg.nats.ConnectTimeout, ringTimeout)
	log, err := telemetry.NewLogger(cfg.log, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	b, err := bus.Connect(cmd.Context(), cfg.nats, log, "chorus-dead")
	if err != nil {
		_, err = fmt.Fprintf(cmd.ErrOrStderr(), "The services were not told: %v. They find the turns within some seconds.\n", err)
		return err
	}
	defer b.Close()
	for queue, chats := range rings {
		b.Ring(queue, chats...)
	}
	return nil
}

// ringTimeout limits the wait for the bus, which only speeds up the replay.
const ringTimeout = 2 * time.Second

func deadPurgeCommand() *cobra.Command {
	cfg := newConfiguration()
	var flags deadLetterFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "purge [TURN]",
		Short: "Delete a dead letter, or all that the flags choose",
		Long:  `Deletes dead letters. Their turns stay dead, and can't be replayed any more.`,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !flags.each {
				return run.Usage(errors.New("want a TURN, or --all with flags that choose"))
			}
			f, err := flags.filter(args)
			if err != nil {
				return err
			}
			if !yes {
				if err := confirm(cmd, "This deletes dead letters for good. Go on?"); err != nil {
					return err
				}
			}
			return withDatabase(cmd, cfg, func(ctx context.Context, pool *pgxpool.Pool) error {
				n, err := journal.New(pool).PurgeDeadLetters(ctx, f)
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
