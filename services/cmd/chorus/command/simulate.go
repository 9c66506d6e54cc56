package command

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/planner"
	"github.com/chorus-cast/chorus/services/planner/decide"
	"github.com/chorus-cast/chorus/services/planner/simulate"
)

// simulation holds the flags of chorus simulate.
type simulation struct {
	file, start, output string
	hours               float64
	seed                uint64
	set                 []string

	// The cast and the settings of the simulation.
	cast   roster.Cast
	values *settings.Values
}

func simulateCommand() *cobra.Command {
	var s simulation
	cfg := newConfiguration()
	cmd := &cobra.Command{
		Use:   "simulate -f FILE",
		Short: "Play a cast's day in a moment, to see its rhythm",
		Long: `Plays the chats of a cast file through hours of virtual time with the planner's
own decisions, and prints what was planned when, and how much of it. It needs no
server, and nobody but the cast speaks. The same file, start and seed give the
same day. It also prints what a day takes, about: texts, tokens and, by the
configured prices, money.`,
		Example: `  chorus simulate -f deploy/examples/role-playing-table.yaml --hours 24 --seed 1
  chorus simulate -f cast.yaml --output summary --set scale_factor=2
  chorus simulate -f cast.yaml --output svg >rhythm.svg`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.load(cmd); err != nil {
				return err
			}
			result, err := s.play()
			if err != nil {
				return err
			}
			switch out := cmd.OutOrStdout(); s.output {
			case "json":
				return result.WriteJSON(out)
			case "summary":
				return errors.Join(result.WriteSummary(out), s.estimate(out, cfg, result))
			case "svg":
				return result.WriteSVG(out)
			default:
				return errors.Join(result.WriteTable(out), s.estimate(out, cfg, result))
			}
		},
	}
	cmd.Flags().StringVarP(&s.file, "file", "f", "", "cast file, or - for the standard input")
	cmd.Flags().Float64Var(&s.hours, "hours", 24, "how much virtual time is played, at most 744 hours")
	cmd.Flags().Uint64Var(&s.seed, "seed", 1, "seed of every random choice")
	cmd.Flags().StringVar(&s.start, "start", "", "when it begins on the first chat's clock, such as 2026-05-06T08:00; today's midnight if left out")
	cmd.Flags().StringVarP(&s.output, "output", "o", "table", "table (the schedule and a summary), summary, json, or svg (a picture)")
	cmd.Flags().StringArrayVar(&s.set, "set", nil, "a setting that holds, as KEY=VALUE; may be repeated")
	cfg.Bind(cmd.Flags(), sectionLLM, sectionGenerator)
	return cmd
}

// maxHours is a month.
const maxHours = 744

func (s *simulation) check() error {
	var errs []error
	if s.file == "" {
		errs = append(errs, errors.New("-f: is missing, want a cast file, or - for the standard input"))
	}
	if !(s.hours > 0 && s.hours <= maxHours) {
		errs = append(errs, fmt.Errorf("--hours: %v, want more than 0 and at most %d", s.hours, maxHours))
	}
	switch s.output {
	case "table", "summary", "json", "svg":
	default:
		errs = append(errs, fmt.Errorf("--output: %q, want table, summary, json or svg", s.output))
	}
	return run.Usage(errors.Join(errs...))
}

func (s *simulation) play() (simulate.Result, error) {
	if err := s.check(); err != nil {
		return simulate.Result{}, err
	}
	values, err := s.given()
	if err != nil {
		return simulate.Result{}, err
	}
	file, err := castfile.Load(s.file)
	if err != nil {
		return simulate.Result{}, ofFile(err)
	}
	chats, err := simulate.Chats(file.Cast, func(string) decide.Settings { return planner.Effective(values, 0) })
	if err != nil {
		return simulate.Result{}, err
	}
	if len(chats) == 0 {
		return simulate.Result{}, run.Usage(fmt.Errorf("%s: has no chats, and so there is nothing to play", s.file))
	}
	s.cast, s.values = file.Cast, values
	start, err := s.begin(chats[0].Chat.TimeZone)
	if err != nil {
		return simulate.Result{}, err
	}
	return simulate.Run(simulate.Options{
		Chats: chats, Start: start, Duration: time.Duration(s.hours * float64(time.Hour)), Seed: s.seed,
	}), nil
}

// estimate prints the expected usage of a day.
func (s *simulation) estimate(w io.Writer, cfg *configuration, played simulate.Result) error {
	e, err := estimated(cfg, s.cast, played)
	if err != nil {
		return err
	}
	return e.write(w, cfg, planner.Effective(s.values, 0), len(s.cast.Chats))
}

// given parses the settings of --set.
func (s *simulation) given() (*settings.Values, error) {
	var stored []settings.Stored
	for _, pair := range s.set {
		key, text, found := strings.Cut(pair, "=")
		if !found {
			return nil, run.Usage(fmt.Errorf("--set: %q, want KEY=VALUE", pair))
		}
		definition, err := settings.Find(key)
		if err != nil {
			return nil, run.Usage(fmt.Errorf("--set: %w", err))
		}
		value, err := definition.ParseText(text)
		if err != nil {
			return nil, run.Usage(fmt.Errorf("--set: %w", err))
		}
		stored = append(stored, settings.Stored{Key: key, Scope: settings.Global, Value: value})
	}
	values, problems := settings.NewValues(stored)
	return values, run.Usage(errors.Join(problems...))
}

// begin returns the start of the simulation.
func (s *simulation) begin(zone *time.Location) (time.Time, error) {
	if s.start == "" {
		now := time.Now().In(zone)
		return time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone), nil
	}
	for _, layout := range []string{"2006-01-02T15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, s.start, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, run.Usage(fmt.Errorf("--start: %q, want a time such as 2026-05-06T08:00, or a date", s.start))
}
