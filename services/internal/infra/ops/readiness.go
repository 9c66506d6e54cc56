package ops

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/internal/infra/telemetry/redact"
)

// fresh is how long a result is given out again: however many ask, the database
// and the bus are asked once a second.
const fresh = time.Second

// result is what one check found.
type result struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Error is shown to those only who may know.
	Error string `json:"error,omitempty"`
}

// readiness runs the checks side by side.
type readiness struct {
	log    *zap.Logger
	redact redact.Redactor
	// lifetime is the context of the probes: a client that goes away must not
	// spoil the result for the others.
	lifetime context.Context //nolint:containedctx // it is the lifetime of the server
	end      context.CancelFunc
	probes   sync.WaitGroup

	// turn has room for one: who looks. The others wait and get what was found.
	turn    chan struct{}
	probers []*prober
	at      time.Time
	results []result
}

func newReadiness(ctx context.Context, log *zap.Logger, checks []Check) *readiness {
	r := &readiness{log: log, redact: redact.New(), turn: make(chan struct{}, 1)}
	r.lifetime, r.end = context.WithCancel(context.WithoutCancel(ctx))
	for _, c := range checks {
		r.probers = append(r.probers, &prober{Check: c})
	}
	return r
}

// look returns the results in the order of the checks, one second old at most,
// and nil if the context or the server ends before there are any.
func (r *readiness) look(ctx context.Context) []result {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil
	}
	if r.lifetime.Err() != nil {
		return nil
	}
	if r.results == nil || time.Since(r.at) >= fresh {
		r.results, r.at = r.probe(), time.Now()
	}
	return r.results
}

func (r *readiness) probe() []result {
	waits := make([]func() error, len(r.probers))
	for i, p := range r.probers {
		waits[i] = p.start(r.lifetime, &r.probes)
	}
	results := make([]result, len(r.probers))
	for i, p := range r.probers {
		results[i] = result{Name: p.Name, OK: true}
		if err := waits[i](); err != nil {
			results[i].OK, results[i].Error = false, r.redact.String(err.Error())
		}
		if before := r.results == nil || r.results[i].OK; before != results[i].OK {
			r.log.Info("readiness changed", zap.String("check", p.Name), zap.Bool("ok", results[i].OK), zap.String("reason", results[i].Error))
		}
	}
	return results
}

// close ends the probes and waits for them.
func (r *readiness) close() {
	r.end()
	r.turn <- struct{}{} // nobody starts probes any more
	r.probes.Wait()
	<-r.turn
}

// collectTimeout is below the time-out of common scrapes.
const collectTimeout = 4 * time.Second

// collector tells Prometheus what readiness finds, so that alerts know it where
// nothing else asks.
type collector struct {
	readiness *readiness
	ready     *prometheus.Desc
}

func (r *readiness) metrics() prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{r, prometheus.NewDesc(
		"chorus_ready", "Whether a check of the readiness is well (1) or not (0), as /readyz tells it.", []string{"check"}, nil)})
	return registry
}

// Describe is of prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) { out <- c.ready }

// Collect is of prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	for _, found := range c.readiness.look(ctx) {
		value := 0.0
		if found.OK {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(c.ready, prometheus.GaugeValue, value, found.Name)
	}
}

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
