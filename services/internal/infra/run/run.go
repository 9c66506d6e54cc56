// Package run manages the life of a process: its parts, its signals and its exit code.
package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
)

// DefaultGrace is a part's time to stop if it sets none.
const DefaultGrace = 10 * time.Second

// Part is something that runs until the process stops.
type Part struct {
	// Name is the part's name in logs and errors.
	Name string
	// Run works until the context ends. Then it stops, releases everything, and returns nil
	// or an error that wraps context.Canceled. It is called once. The context may have
	// ended already.
	Run func(ctx context.Context) error
	// Grace limits how long Run may take to return after the end of the context;
	// DefaultGrace if it is 0.
	Grace time.Duration
}

// Group runs parts together. The zero Group is empty. Set its fields and add its parts
// before Run.
type Group struct {
	// Log receives the stack of a panic, and how long each part took to stop; nil for none.
	Log    *zap.Logger
	stages [][]Part
}

// Add adds parts. Add a part after those that it needs: parts stop in the reverse order.
// Parts added by one call stop together.
func (g *Group) Add(parts ...Part) { g.stages = append(g.stages, parts) }

// Run starts all parts in their order. It stops all when the context ends or the first part
// ends: the last added first, so that a part's dependencies outlive it. A part that exceeds
// its grace is abandoned and named in the error.
//
// The error joins those of the parts, beginning with the part that ended first; each begins
// with the part's name. A part that ends without being stopped is an error, and so is a
// panic: its stack is logged, and the error contains only its message. Panics in a part's
// own goroutines are not caught. A group without parts returns at once.
func (g *Group) Run(ctx context.Context) error {
	log := g.Log
	if log == nil {
		log = zap.NewNop()
	}
	first := make(chan *life, 1)
	stages := make([][]*life, len(g.stages))
	parts := 0
	for i, stage := range g.stages {
		for _, p := range stage {
			stages[i] = append(stages[i], start(ctx, p, log, first))
			parts++
		}
	}
	if parts == 0 {
		return nil
	}
	var errs []error
	select {
	case <-ctx.Done():
	case l := <-first:
		errs = append(errs, l.alone())
	}
	for _, stage := range slices.Backward(stages) {
		errs = append(errs, stop(stage, log)...)
	}
	return errors.Join(errs...)
}

var (
	errAlone = errors.New("ended without having been asked to")
	errExit  = errors.New("ended without returning")
)

// life is one run of a part.
type life struct {
	Part

	cancel context.CancelFunc
	done   chan struct{}
	err    error
	told   bool
}

// start runs the part with a context that keeps the values of ctx but not its end, because
// the group decides when each part stops. The first life to end is sent to first.
func start(ctx context.Context, p Part, log *zap.Logger, first chan<- *life) *life {
	if p.Grace == 0 {
		p.Grace = DefaultGrace
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &life{Part: p, cancel: cancel, done: make(chan struct{}), err: errExit}
	go func() {
		defer func() {
			close(l.done)
			select {
			case first <- l:
			default:
			}
		}()
		// If Run ends by runtime.Goexit, l.err is still errExit.
		l.err = protect(log.With(zap.String("part", p.Name)), func() error { return p.Run(ctx) })
	}()
	return l
}

// alone returns the error of a life that ended without being stopped.
func (l *life) alone() error {
	l.told = true
	if l.err == nil {
		return fmt.Errorf("%s: %w", l.Name, errAlone)
	}
	return fmt.Errorf("%s: %w", l.Name, l.err)
}

// stop ends the lives of a stage and waits for them.
func stop(stage []*life, log *zap.Logger) []error {
	began := time.Now()
	for _, l := range stage {
		l.cancel()
	}
	var errs []error
	for _, l := range stage {
		if err := l.wait(l.Grace - time.Since(began)); err != nil {
			errs = append(errs, err)
			continue
		}
		log.Debug("part stopped", zap.String("part", l.Name), zap.Duration("took", time.Since(began)))
	}
	return errs
}

func (l *life) wait(grace time.Duration) error {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-timer.C:
		return fmt.Errorf("%s: did not stop within %v", l.Name, l.Grace)
	}
	if l.told || l.err == nil || errors.Is(l.err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", l.Name, l.err)
}
