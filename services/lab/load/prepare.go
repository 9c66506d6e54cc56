package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
	"github.com/chorus-cast/chorus/services/lab/load/deployment"
)

// prepare makes the cast, sets the settings and starts the services; no turn is
// planned yet. Restore puts the settings back and silences the cast, on a
// deployment that goes on.
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

// simulate says whether turns are planned.
func (s *stage) simulate(ctx context.Context, active bool) error {
	value, err := settings.SimulationActive.ParseText(strconv.FormatBool(active))
	if err != nil {
		return err
	}
	return settingspg.Set(ctx, s.Pool(), settings.SimulationActive.Key, settings.Global, 0, value)
}
