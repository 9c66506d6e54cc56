package ops

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// defaultTimeout is below the time-out of common probes of 3 s and more.
const defaultTimeout = 2 * time.Second

// Check is one thing that a service needs to be ready.
type Check struct {
	// Name is its name in the answer.
	Name string
	// Probe looks, and says what is wrong. It heeds the end of its context.
	Probe func(ctx context.Context) error
	// Timeout is after how long it counts as failed; 2 s if it is 0.
	Timeout time.Duration
	// Every is for how long a good result is given out again, where a look costs
	// something; 1 s if it is 0. A bad one is always looked at again after 1 s.
	Every time.Duration
}

// Stopping is a check that fails from the end of a context on: that of the
// process' signals. So no new work is sent to a service that drains.
func Stopping(ctx context.Context) Check {
	return Check{Name: "running", Probe: func(context.Context) error {
		if ctx.Err() != nil {
			return errors.New("the service is stopping")
		}
		return nil
	}}
}

// prober runs one check. It is used by one goroutine at a time.
type prober struct {
	Check

	// hanging is closed when the last probe has ended; nil if that was in time. A
	// probe is not started before the last one has ended, so that probes that hang
	// don't pile up.
	hanging chan struct{}
	// good is when the last good probe was started.
	good time.Time
}

// start starts a probe and returns what waits for it.
func (p *prober) start(lifetime context.Context, probes *sync.WaitGroup) (wait func() error) {
	began := time.Now()
	if began.Sub(p.good) < p.Every {
		return func() error { return nil }
	}
	p.good = time.Time{}
	if p.hanging != nil {
		select {
		case <-p.hanging:
			p.hanging = nil
		default:
			return func() error { return errors.New("an earlier look has not ended") }
		}
	}
	timeout := p.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(lifetime, timeout)
	found, done := make(chan error, 1), make(chan struct{})
	probes.Go(func() {
		defer close(done)
		found <- p.probe(ctx)
	})
	return func() error {
		defer cancel()
		select {
		case err := <-found:
			if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("no answer within %v", timeout)
			}
			if err == nil {
				p.good = began
			}
			return err
		case <-ctx.Done():
			p.hanging = done
			return fmt.Errorf("no answer within %v", timeout)
		}
	}
}

// probe keeps a check that panics from ending the process.
func (p *prober) probe(ctx context.Context) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("fault in the check: %v", cause)
		}
	}()
	return p.Probe(ctx)
}
