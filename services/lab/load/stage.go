package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/accounting"
	"github.com/chorus-cast/chorus/services/lab/load/deployment"
	"github.com/chorus-cast/chorus/services/lab/load/report"
	"github.com/chorus-cast/chorus/services/lab/load/sampling"
	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

const (
	// tick is the interval at which due actions are started.
	tick = 100 * time.Millisecond
	// lookEvery is the interval of samples of processes and of the journal. A second gives a
	// short run's curves enough points, and is no load itself.
	lookEvery     = time.Second
	lookEveryLong = 5 * time.Second
	// long is the length from which a run is sampled less often.
	long = 10 * time.Minute
	// settleTimeout limits the wait for the end of all planned turns.
	settleTimeout = 5 * time.Minute
	// quiet is the time without a new turn after which planning counts as stopped.
	quiet = 3 * time.Second
	// clockMargin limits the difference between the clocks of the lab and the services; turns of a
	// run are recognised by their numbers.
	clockMargin = time.Minute
)

// stage holds the state of a run.
type stage struct {
	Deployment

	scenario *scenario.Scenario
	progress Progress
	sampler  *sampling.Sampler
	run      *report.Run
	// since is the position in the emulator's log at the start.
	since uint64
	// before is the journal's state at the start, last the latest one.
	before, last journalState

	mu sync.Mutex // guards last, which the observer writes
}

// play plays the warm-up and the phases, waits for the end of all planned turns, and reads the
// results.
func (s *stage) play(ctx context.Context) (*report.Run, error) {
	s.sampler = sampling.New()
	since, err := lastCall(ctx, s.Emulator())
	if err != nil {
		return nil, err
	}
	before, err := accounting.Clocks(ctx, s.Pool())
	if err != nil {
		return nil, err
	}
	if s.before, err = look(ctx, s.Pool()); err != nil {
		return nil, err
	}
	s.since, s.run = since, &report.Run{Report: report.Report{Began: time.Now()}, Before: before}
	if err := s.simulate(ctx, true); err != nil {
		return nil, err
	}

	observing, stop := context.WithCancel(ctx)
	var observer sync.WaitGroup
	observer.Go(func() { s.observe(observing) })
	err = s.script(ctx)
	if err == nil {
		s.sampler.Look(ctx, s.Sources()) // the last of what is counted
	}
	stop()
	observer.Wait()
	if err != nil {
		return nil, err
	}
	return s.run, s.read(ctx)
}

func (s *stage) script(ctx context.Context) error {
	if err := s.wait(ctx, "warm-up", s.scenario.WarmUp, scenario.Until{}, nil); err != nil {
		return err
	}
	s.run.Measured = time.Now()
	for _, p := range s.scenario.Phases {
		if err := s.phase(ctx, p); err != nil {
			return err
		}
	}
	if err := s.setFaults(ctx, scenario.Phase{}); err != nil {
		return err
	}
	return s.settle(ctx)
}

// phase plays one phase. At its end, services that its actions stopped are started again.
func (s *stage) phase(ctx context.Context, p scenario.Phase) error {
	if err := s.setFaults(ctx, p); err != nil {
		return err
	}
	if len(p.Faults)+len(p.LLM) > 0 {
		s.event("faults: " + strings.Join(append(append([]string{}, p.Faults...), p.LLM...), ", "))
	}
	from := time.Now()
	todo := newAgenda(p.Do, s)
	if err := s.wait(ctx, p.Name, p.For, p.Until, todo); err != nil {
		return err
	}
	to := time.Now()
	s.run.Windows = append(s.run.Windows, report.Window{Phase: p, From: from, To: to})
	return todo.end(ctx)
}

// setFaults puts the faults of a phase in place of those before. A Telegram that
// is down keeps none.
func (s *stage) setFaults(ctx context.Context, p scenario.Phase) error {
	if _, err := s.Emulator().SetFaults(ctx, p.Rules...); err != nil {
		return err
	}
	return s.SetLLMFaults(ctx, p.LLMFaults)
}

// wait waits and runs the agenda.
func (s *stage) wait(ctx context.Context, name string, length time.Duration, until scenario.Until, todo *agenda) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	began := time.Now()
	for {
		passed := time.Since(began)
		state := s.state()
		switch {
		case passed >= length:
			if until.Given() {
				s.event(name + ": its end did not come in time")
			}
			return nil
		case until.Given() && state.at.After(began) && until.Met(state.open):
			return nil
		}
		if err := todo.due(ctx, passed); err != nil {
			return err
		}
		if err := s.revive(ctx); err != nil {
			return err
		}
		s.progress.Show(fmt.Sprintf("%s  %s %s/%s  planned %d  delivered %d  other ends %d  open %d",
			s.scenario.Name, name, passed.Round(time.Second), length.Round(time.Second), state.planned, state.delivered, state.ended-state.delivered, state.open))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// revive restarts the processes that ended by themselves, and records that.
func (s *stage) revive(ctx context.Context) error {
	crashed, err := s.Revive(ctx)
	for _, what := range crashed {
		s.run.Crashes++
		s.event(what)
	}
	return err
}

// settle stops planning, and waits until the planned turns have ended or settleTimeout is over;
// turns that are still open then are a finding.
func (s *stage) settle(ctx context.Context) error {
	if err := s.simulate(ctx, false); err != nil {
		return err
	}
	ended := scenario.Until{OpenAtMost: new(0)}
	began := time.Now()
	for time.Since(began) < settleTimeout {
		if err := s.wait(ctx, "settling", settleTimeout-time.Since(began), ended, nil); err != nil {
			return err
		}
		before := s.state().planned
		if err := s.wait(ctx, "settling", quiet, scenario.Until{}, nil); err != nil {
			return err
		}
		if after := s.state(); after.open == 0 && after.planned == before {
			break
		}
	}
	s.run.Ended = time.Now()
	return nil
}

// read reads the results.
func (s *stage) read(ctx context.Context) (err error) {
	s.progress.Show("reading what came of it")
	if s.run.Calls, err = accounting.Calls(ctx, s.Emulator(), s.since); err != nil {
		return err
	}
	if s.run.Turns, err = accounting.Turns(ctx, s.Pool(), s.run.Began.Add(-clockMargin)); err != nil {
		return err
	}
	if s.run.Clocks, err = accounting.Clocks(ctx, s.Pool()); err != nil {
		return err
	}
	// Other chats of a shared deployment don't belong to this run.
	ours := deployment.Chats(s.scenario.Cast)
	s.run.Calls = slices.DeleteFunc(s.run.Calls, func(c accounting.Call) bool { return c.Chat != 0 && !ours[c.Chat] })
	s.run.Turns = slices.DeleteFunc(s.run.Turns, func(t accounting.Turn) bool { return !ours[t.Chat] || t.Number <= s.run.Before[t.Chat] })
	maps.DeleteFunc(s.run.Clocks, func(chat, _ int64) bool { return !ours[chat] })
	s.run.Samples, s.run.Counters = s.sampler.Samples(), s.sampler.Counters()
	return nil
}

func (s *stage) event(what string) {
	s.run.Events = append(s.run.Events, report.Event{At: time.Since(s.run.Began).Seconds(), What: what})
}
