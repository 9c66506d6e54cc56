//go:build !image

package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/chorus-cast/chorus/services/internal/infra/run"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/infra/telemetry"
	"github.com/chorus-cast/chorus/services/lab/load"
	"github.com/chorus-cast/chorus/services/lab/load/deployment"
	"github.com/chorus-cast/chorus/services/lab/load/report"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// loading holds the flags of chorus load.
type loading struct {
	file, out, dir, operate string
	size, pace              float64
	metrics                 []string
}

func loadCommand() *cobra.Command {
	cfg := newConfiguration()
	var l loading
	cmd := &cobra.Command{
		Use:   "load --scenario FILE",
		Short: "Play a scenario of load and faults, and report what came of it",
		Long: `Plays a scenario: a cast that talks, faults of Telegram and of the model, services
that are killed, stopped and scaled. It measures by the emulator's log of calls,
the journal and the services' metrics, accounts for every turn, prints a summary
and writes a report as JSON. It fails if a target of the scenario is missed.

By itself it starts all that it needs: services as processes of their own, a
private PostgreSQL, NATS, the Telegram emulator, a model. With --database.url it
plays on a deployment that runs already, which must have the emulator for Telegram
and be there for tests: the run changes its settings, and puts them back.`,
		Example: `  chorus load --scenario deploy/scenarios/reactions-400.yaml --out report.json
  chorus load --scenario deploy/scenarios/soak.yaml --size 0.1 --pace 0.1
  chorus load --scenario deploy/scenarios/flood-429.yaml --database.url postgres://chorus@db/chorus \
    --telegram.url http://emulator:8080 --metrics sender=http://sender:9464/metrics`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return l.play(cmd, cfg) },
	}
	flags := cmd.Flags()
	flags.StringVar(&l.file, "scenario", "", "scenario file")
	flags.StringVar(&l.out, "out", "", "report file; without, the scenario's name with .json")
	flags.Float64Var(&l.size, "size", 1, "share of the scenario's bots, chats and backlogs")
	flags.Float64Var(&l.pace, "pace", 1, "share of the scenario's times")
	flags.StringVar(&l.dir, "dir", "", "folder that keeps the state and the logs of what is started; without, a temporary one")
	flags.StringArrayVar(&l.metrics, "metrics", nil, "metrics of a service that runs already, as SERVICE=URL; may be repeated")
	flags.StringVar(&l.operate, "operate", "", "program that kills, stops, starts, pauses, resumes and scales services that run already,\n"+
		"called as PROGRAM VERB SERVICE [NUMBER]")
	cfg.Bind(flags, sectionDatabase, sectionTelegram, sectionSecret)
	cmd.AddCommand(loadSummaryCommand(), loadMeasuresCommand())
	return cmd
}

func (l *loading) play(cmd *cobra.Command, cfg *configuration) error {
	if err := l.check(); err != nil {
		return run.Usage(err)
	}
	if err := cfg.load(cmd); err != nil {
		return err
	}
	s, err := scenario.Load(l.file)
	if err != nil {
		return run.Usage(err)
	}
	if l.out == "" {
		l.out = s.Name + ".json"
	}
	// An unwritable report must fail before the run, not after it.
	if err := os.MkdirAll(filepath.Dir(l.out), 0o755); err != nil { //nolint:gosec // reports are for others to read
		return run.Usage(fmt.Errorf("--out: %w", err))
	}
	lab := load.Lab{
		Deploy: l.embed, Deployment: "embedded", Size: l.size, Pace: l.pace, Progress: progress(cmd),
		Machine: machine(), Build: telemetry.ReadBuild().Version,
	}
	if cfg.database.URL != "" {
		lab.Deployment = "real"
		lab.Deploy = func(ctx context.Context, _ *scenario.Scenario) (load.Deployment, error) { return l.connect(ctx, cfg) }
	}
	found, err := lab.Play(cmd.Context(), s.Scaled(l.size, l.pace))
	if err != nil {
		return stopped(cmd.Context(), err)
	}
	lab.Progress.Show("")
	return l.tell(cmd, found)
}

func (l *loading) check() error {
	var errs []error
	if l.file == "" {
		errs = append(errs, errors.New("--scenario: is missing, want a scenario file, such as deploy/scenarios/reactions-400.yaml"))
	}
	for name, share := range map[string]float64{"size": l.size, "pace": l.pace} {
		if !(share > 0 && share <= 100) {
			errs = append(errs, fmt.Errorf("--%s: %v, want more than 0 and at most 100", name, share))
		}
	}
	if l.out != "" && filepath.Ext(l.out) != ".json" {
		errs = append(errs, fmt.Errorf("--out: %q, want a name that ends with .json", l.out))
	}
	return errors.Join(errs...)
}

// tell writes the report, and prints the summary.
func (l *loading) tell(cmd *cobra.Command, r *report.Report) error {
	if err := r.Save(l.out); err != nil {
		return err
	}
	if err := r.WriteText(cmd.OutOrStdout()); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "\nReport: %s\n", l.out); err != nil {
		return err
	}
	if missed := r.Missed(); missed > 0 {
		return fmt.Errorf("%s: %d of %d targets were missed", r.Scenario, missed, len(r.Targets))
	}
	return nil
}

// embed starts an embedded deployment.
func (l *loading) embed(ctx context.Context, s *scenario.Scenario) (load.Deployment, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find chorus itself: %w", err)
	}
	log, err := telemetry.NewLogger(telemetry.LogConfig{Level: "error", Format: "console"}, os.Stderr)
	if err != nil {
		return nil, err
	}
	dir, remove, err := l.folder()
	if err != nil {
		return nil, err
	}
	e, err := deployment.Embed(ctx, s, deployment.Options{Binary: binary, Dir: dir, Log: log})
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	return &temporary{e, remove}, nil
}

// folder creates an empty folder for the state of a run.
func (l *loading) folder() (dir string, remove func() error, err error) {
	if l.dir == "" {
		if dir, err = os.MkdirTemp("", "chorus-load-"); err != nil {
			return "", nil, fmt.Errorf("--dir: %w", err)
		}
		remove = func() error { return os.RemoveAll(dir) }
	} else {
		dir, err = filepath.Abs(filepath.Join(l.dir, time.Now().UTC().Format("20060102T150405.000")))
		if err == nil {
			err = os.MkdirAll(dir, 0o755) //nolint:gosec // the private PostgreSQL runs as another user below root
		}
		remove = func() error { return nil }
	}
	if err != nil {
		return "", nil, fmt.Errorf("--dir: %w", err)
	}
	return dir, remove, os.Chmod(dir, 0o755) //nolint:gosec // as above
}

// temporary is a deployment that removes its folder when it is closed.
type temporary struct {
	*deployment.Embedded

	remove func() error
}

func (t *temporary) Close() error { return errors.Join(t.Embedded.Close(), t.remove()) }

// connect connects to a running deployment.
func (l *loading) connect(ctx context.Context, cfg *configuration) (load.Deployment, error) {
	if cfg.telegram.URL == "" {
		return nil, run.Usage(errors.New("--telegram.url: is empty, want the address of the emulator that the deployment has for Telegram"))
	}
	keys, err := cfg.keyring()
	if err != nil {
		return nil, run.Usage(err)
	}
	if !cfg.given(databaseStatementTimeout) {
		cfg.database.StatementTimeout = readTimeout
	}
	pool, err := store.Open(ctx, cfg.database)
	if err != nil {
		return nil, err
	}
	r, err := deployment.Connect(deployment.RemoteConfig{
		Pool: pool, Emulator: cfg.telegram.URL, Keys: keys, Metrics: l.metrics, Token: cfg.ops.MetricsToken, Operate: l.operate,
	})
	if err != nil {
		pool.Close()
		return nil, run.Usage(err)
	}
	return r, nil
}

// readTimeout is the time-out of queries over a whole run.
const readTimeout = 5 * time.Minute

// progress returns a line that is updated on a terminal, or else a line every
// progressEvery.
func progress(cmd *cobra.Command) load.Progress {
	out := cmd.ErrOrStderr()
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			width = 0
		}
		return &load.Terminal{Out: out, Width: width}
	}
	return &load.Lines{Out: out, Every: progressEvery}
}

// progressEvery is the interval of progress lines in a log.
const progressEvery = 10 * time.Second

// machine describes this machine in one line.
func machine() string {
	model := ""
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
				model = ", " + strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s/%s%s, %d cores", runtime.GOOS, runtime.GOARCH, model, runtime.NumCPU())
}

// loadReports reads reports. A missing or invalid file is an error of usage.
func loadReports(files []string) ([]*report.Report, error) {
	var list []*report.Report
	for _, file := range files {
		r, err := report.Load(file)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s: there is no such report", file)
		}
		if err != nil {
			return nil, run.Usage(err)
		}
		list = append(list, r)
	}
	return list, nil
}
