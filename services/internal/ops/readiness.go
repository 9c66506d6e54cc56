package ops

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/telemetry/redact"
)

const (
	// fresh is how long a result is given out again: however many ask, the
	// database and the bus are asked once a second.
	fresh = time.Second
	// defaultTimeout is below the time-out of common probes of 3 s and more.
	defaultTimeout = 2 * time.Second
)

// Check is one thing that a service needs to be ready.
type Check struct {
	// Name is its name in the answer.
	Name string
	// Probe looks, and says what is wrong. It heeds the end of its context.
	Probe func(ctx context.Context) error
	// Timeout is after how long it counts as failed; 2 s if it is 0.
	Timeout time.Duration
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

// result is what one check found.
type result struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Error is shown to those only who may know.
	Error string `json:"error,omitempty"`
}

// readiness runs the checks.
type readiness struct {
	checks []Check
	log    *zap.Logger
	redact redact.Redactor
	// lifetime is the context of the probes: a client that goes away must not
	// spoil the result for the others.
	lifetime context.Context //nolint:containedctx // it is the lifetime of the server
	probes   sync.WaitGroup

	// mu is held while checks run, so that those who ask meanwhile get the result.
	mu      sync.Mutex
	at      time.Time
	results []result
	// busy has the checks whose probes did not end in time. They are not started
	// again before that, so that probes that hang don't pile up.
	busy map[string]chan struct{}
}

// look returns the results in the order of the checks. They are one second old
// at most.
func (r *readiness) look() []result {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.results != nil && time.Since(r.at) < fresh {
		return r.results
	}
	results := make([]result, len(r.checks))
	waits := make([]func() error, len(r.checks))
	for i, c := range r.checks {
		waits[i] = r.start(c)
	}
	for i, c := range r.checks {
		results[i] = result{Name: c.Name, OK: true}
		if err := waits[i](); err != nil {
			results[i].OK, results[i].Error = false, r.redact.String(err.Error())
		}
		if before := r.results; before == nil && !results[i].OK || before != nil && before[i].OK != results[i].OK {
			r.log.Info("readiness changed", zap.String("check", c.Name), zap.Bool("ok", results[i].OK), zap.String("reason", results[i].Error))
		}
	}
	r.results, r.at = results, time.Now()
	return results
}

// start starts a probe and returns what waits for it.
func (r *readiness) start(c Check) (wait func() error) {
	if done, hangs := r.busy[c.Name]; hangs {
		select {
		case <-done:
			delete(r.busy, c.Name)
		default:
			return func() error { return errors.New("an earlier look has not ended") }
		}
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(r.lifetime, timeout)
	found, done := make(chan error, 1), make(chan struct{})
	r.probes.Go(func() {
		defer close(done)
		found <- probe(ctx, c)
	})
	return func() error {
		defer cancel()
		select {
		case err := <-found:
			return err
		case <-ctx.Done():
			r.busy[c.Name] = done
			return fmt.Errorf("no answer within %v", timeout)
		}
	}
}

// probe keeps a check that panics from ending the process.
func probe(ctx context.Context, c Check) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("fault in the check: %v", cause)
		}
	}()
	return c.Probe(ctx)
}
