// Package load is the load lab: it plays scenarios on a deployment of Chorus and reports the
// results. It measures by the emulator's log of calls, the journal's tables and the services'
// metrics only.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
	"github.com/chorus-cast/chorus/services/lab/emulator/llmapi"
	"github.com/chorus-cast/chorus/services/lab/load/deployment"
	"github.com/chorus-cast/chorus/services/lab/load/report"
	"github.com/chorus-cast/chorus/services/lab/load/sampling"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// Deployment is the installation that a scenario runs on.
type Deployment interface {
	Pool() *pgxpool.Pool
	Emulator() *control.Client
	Keys() secret.Keyring
	Sources() []sampling.Source
	SetLLMFaults(ctx context.Context, faults []llmapi.Fault) error

	// Operate applies a verb to a service. If it chose one of several replicas, it returns
	// that one. n is the number of replicas after a scale.
	Operate(ctx context.Context, verb scenario.Verb, service string, n int) (replica string, err error)
	// Revive starts processes that ended by themselves, and returns their names.
	Revive(ctx context.Context) ([]string, error)
	// Launch starts the services, as many as the scenario says.
	Launch(ctx context.Context, services map[string]int) error
	// Lasts reports whether the deployment goes on after the run.
	Lasts() bool
	// Close ends what was started.
	Close() error
}

// Lab plays scenarios.
type Lab struct {
	// Deploy makes the deployment of a run: an embedded one is a new one.
	Deploy func(ctx context.Context, s *scenario.Scenario) (Deployment, error)
	// Deployment, Machine and Build are their names in reports.
	Deployment, Machine, Build string
	// Progress is told how it goes.
	Progress Progress
	// Size and Pace are the factors by which the scenario was scaled.
	Size, Pace float64
}

// Progress shows how a run goes.
type Progress interface {
	// Say tells something once.
	Say(text string)
	// Show tells how it is now, in place of what was shown before.
	Show(text string)
}

// Play plays a scenario, its baseline first if it has one.
func (l *Lab) Play(ctx context.Context, s *scenario.Scenario) (*report.Report, error) {
	var baseline *report.Report
	if s.Baseline {
		l.Progress.Say(s.Name + ": the run without faults")
		var err error
		if baseline, err = l.run(ctx, s.WithoutFaults(), nil); err != nil {
			return nil, err
		}
		l.Progress.Say(s.Name + ": the run with faults")
	}
	return l.run(ctx, s, baseline)
}

// restTimeout limits the cleanup after an error.
const restTimeout = 30 * time.Second

func (l *Lab) run(ctx context.Context, s *scenario.Scenario, baseline *report.Report) (out *report.Report, err error) {
	l.Progress.Show("starting")
	d, err := l.Deploy(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	stage := &stage{Deployment: d, scenario: s, progress: l.Progress}
	restore, err := stage.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		resting, cancel := context.WithTimeout(context.WithoutCancel(ctx), restTimeout)
		defer cancel()
		err = errors.Join(err, restore(resting))
	}()
	run, err := stage.play(ctx)
	if err != nil {
		return nil, err
	}
	run.Played, run.Size, run.Pace = s, l.Size, l.Pace
	run.Replicas, run.Baseline = s.Services, baseline
	if d.Lasts() {
		run.Replicas = running(run.Samples)
	}
	run.Deployment, run.Machine, run.Build = l.Deployment, l.Machine, l.Build
	return report.Build(run), nil
}

// running counts the processes of each service of Chorus in the first samples.
func running(samples []sampling.Sample) map[string]int {
	n, seen := map[string]int{}, map[string]bool{}
	for _, s := range samples {
		if seen[s.Instance] {
			break // the second look
		}
		seen[s.Instance] = true
		if s.Chorus {
			n[s.Service]++
		}
	}
	return n
}

// Lines writes progress as lines of text.
type Lines struct {
	Out io.Writer
	// Every is the interval of progress messages; 0 prints all.
	Every time.Duration
	last  time.Time
}

// Say writes a line.
func (p *Lines) Say(text string) { _, _ = fmt.Fprintln(p.Out, text) }

// Show writes a line now and then.
func (p *Lines) Show(text string) {
	if now := time.Now(); text != "" && now.Sub(p.last) >= p.Every {
		p.last = now
		p.Say(text)
	}
}

// Terminal writes progress as a line that it overwrites.
type Terminal struct {
	Out   io.Writer
	Width int
}

const clearLine = "\r\x1b[2K"

// Say leaves a line behind.
func (p *Terminal) Say(text string) { _, _ = fmt.Fprint(p.Out, clearLine, text, "\n") }

// Show changes the line.
func (p *Terminal) Show(text string) {
	if runes := []rune(text); p.Width > 0 && len(runes) >= p.Width {
		text = string(runes[:p.Width-1])
	}
	_, _ = fmt.Fprint(p.Out, clearLine, text)
}

// prepare makes the cast, changes the settings and starts the services; no turn is planned yet. On
// a deployment that goes on, restore puts the settings back and silences the cast.
func (s *stage) prepare(ctx context.Context) (restore func(context.Context) error, err error) {
	stored, err := settingspg.Load(ctx, s.Pool())
	if err != nil {
		return nil, err
	}
	before := map[string]settings.Stored{}
	for _, v := range stored {
		if v.Scope == settings.Global {
			before[v.Key] = v
		}
	}
	changed := append(slices.Sorted(maps.Keys(s.scenario.Settings)), settings.SimulationActive.Key)
	restore = func(ctx context.Context) error {
		if !s.Lasts() {
			return nil
		}
		errs := []error{
			s.Emulator().ClearFaults(ctx),
			deployment.ApplyCast(ctx, s.Pool(), s.Emulator(), s.Keys(), s.scenario.Cast, false),
		}
		for _, key := range changed {
			if old, was := before[key]; was {
				errs = append(errs, settingspg.Set(ctx, s.Pool(), key, settings.Global, 0, old.Value))
				continue
			}
			_, err := settingspg.Unset(ctx, s.Pool(), key, settings.Global, 0)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	for key := range s.scenario.Settings {
		definition, value, err := s.scenario.Setting(key)
		if err != nil {
			return nil, err
		}
		if err := settingspg.Set(ctx, s.Pool(), definition.Key, settings.Global, 0, value); err != nil {
			return nil, err
		}
	}
	if err := s.simulate(ctx, false); err != nil {
		return nil, err
	}
	if _, err := s.Emulator().SetFaults(ctx); err != nil {
		return nil, err
	}
	s.progress.Show(fmt.Sprintf("making %d bots and %d chats", s.scenario.Cast.Bots, s.scenario.Cast.Chats))
	if err := deployment.ApplyCast(ctx, s.Pool(), s.Emulator(), s.Keys(), s.scenario.Cast, true); err != nil {
		return nil, errors.Join(err, restore(ctx))
	}
	s.progress.Show("starting the services")
	if err := s.Launch(ctx, s.scenario.Services); err != nil {
		return nil, errors.Join(err, restore(ctx))
	}
	return restore, nil
}

// simulate switches the planning of turns on or off.
func (s *stage) simulate(ctx context.Context, active bool) error {
	value, err := settings.SimulationActive.ParseText(strconv.FormatBool(active))
	if err != nil {
		return err
	}
	return settingspg.Set(ctx, s.Pool(), settings.SimulationActive.Key, settings.Global, 0, value)
}
