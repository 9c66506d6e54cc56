package load

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/chorus-cast/chorus/services/lab/load/scenario"
)

// agenda holds the actions that a phase still has to do. A nil agenda is empty.
type agenda struct {
	stage *stage
	items []item
	now   time.Duration
}

// item is an action at a time from the phase's beginning. An item with atEnd runs when the phase
// ends, if its time hasn't come before.
type item struct {
	at    time.Duration
	do    func(context.Context) error
	atEnd bool
}

func newAgenda(actions []scenario.Action, s *stage) *agenda {
	a := &agenda{stage: s}
	for _, action := range actions {
		a.put(item{at: action.At, do: func(ctx context.Context) error { return a.act(ctx, action) }})
	}
	return a
}

func (a *agenda) put(i item) {
	a.items = append(a.items, i)
	slices.SortStableFunc(a.items, func(x, y item) int { return cmp.Compare(x.at, y.at) })
}

// due runs the items whose time has come.
func (a *agenda) due(ctx context.Context, passed time.Duration) error {
	if a == nil {
		return nil
	}
	a.now = passed
	for len(a.items) > 0 && a.items[0].at <= passed {
		next := a.items[0]
		a.items = a.items[1:]
		if err := next.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// end runs the items that restore services.
func (a *agenda) end(ctx context.Context) error {
	for _, i := range a.items {
		if !i.atEnd {
			continue
		}
		if err := i.do(ctx); err != nil {
			return err
		}
	}
	a.items = nil
	return nil
}

// forever is later than the end of any phase.
const forever = time.Duration(1<<63 - 1)

// act runs an action, and schedules its end and its repetition.
func (a *agenda) act(ctx context.Context, action scenario.Action) error {
	if action.Every > 0 {
		a.put(item{at: a.now + action.Every, do: func(ctx context.Context) error { return a.act(ctx, action) }})
	}
	s, service := a.stage, action.Service
	replica, err := s.Operate(ctx, action.Do, service, action.To)
	if err != nil {
		return fmt.Errorf("%s %s: %w", action.Do, service, err)
	}
	if action.Do == scenario.Scale {
		s.event(fmt.Sprintf("scale %s to %d", service, action.To))
		return nil
	}
	if action.Do == scenario.Kill {
		s.run.Kills++
	}
	s.event(fmt.Sprintf("%s %s", action.Do, replica))
	undo, back := scenario.Start, "started"
	if action.Do == scenario.Pause {
		undo, back = scenario.Resume, "resumed"
	}
	until := forever
	if action.For > 0 {
		until = a.now + action.For
	}
	a.put(item{at: until, atEnd: true, do: func(ctx context.Context) error {
		s.event(service + " is " + back)
		_, err := s.Operate(ctx, undo, service, 0)
		return err
	}})
	return nil
}
