package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

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

// start gives the part a context that keeps the values of ctx but not its end,
// because the group decides when each part stops. The first life to end is sent
// to first.
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
		// If Run leaves by runtime.Goexit, errExit stays.
		l.err = protect(log.With(zap.String("part", p.Name)), func() error { return p.Run(ctx) })
	}()
	return l
}

// alone is the error of a life that ended without having been stopped.
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
