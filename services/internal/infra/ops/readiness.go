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

// fresh is the lifetime of a result: however many clients ask, the database and the bus are
// checked once a second.
const fresh = time.Second

// result is the result of one check.
type result struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Error is shown to authorised clients only.
	Error string `json:"error,omitempty"`
}

// readiness runs the checks concurrently.
type readiness struct {
	log    *zap.Logger
	redact redact.Redactor
	// lifetime is the context of the probes: a client that disconnects must not spoil the
	// result for others.
	lifetime context.Context //nolint:containedctx // it is the lifetime of the server
	end      context.CancelFunc
	probes   sync.WaitGroup

	// turn is held by the goroutine that runs the checks. Others wait for its results.
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

// look returns the results in the order of the checks, at most one second old. It returns
// nil if the context or the server ends before.
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
	r.turn <- struct{}{} // no more probes are started
	r.probes.Wait()
	<-r.turn
}

// collectTimeout is shorter than the time-out of common scrapes.
const collectTimeout = 4 * time.Second

// collector exports readiness as metrics, for alerts where nothing else probes it.
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

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) { out <- c.ready }

// Collect implements prometheus.Collector.
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

// defaultTimeout is shorter than the time-out of common probes, 3 s or more.
const defaultTimeout = 2 * time.Second

// Check is one condition of a service's readiness.
type Check struct {
	// Name is the check's name in the response.
	Name string
	// Probe returns what is wrong, or nil. It must respect its context.
	Probe func(ctx context.Context) error
	// Timeout is the time after which the check fails; 2 s if it is 0.
	Timeout time.Duration
	// Every is the lifetime of a good result, for costly probes; 1 s if it is 0. A bad
	// result always lives for 1 s.
	Every time.Duration
}

// Stopping returns a check that fails after the end of a context, which is usually that of
// the process' signals. So a draining service gets no new work.
func Stopping(ctx context.Context) Check {
	return Check{Name: "running", Probe: func(context.Context) error {
		if ctx.Err() != nil {
			return errors.New("the service is stopping")
		}
		return nil
	}}
}

// prober runs one check. One goroutine uses it at a time.
type prober struct {
	Check

	// hanging is closed when the last probe has ended; nil if it ended in time. A new probe
	// waits for the last one to end, so that hanging probes don't pile up.
	hanging chan struct{}
	// good is the start of the last good probe.
	good time.Time
}

// start starts a probe and returns a function that waits for it.
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

// probe recovers from a panic in the check.
func (p *prober) probe(ctx context.Context) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("fault in the check: %v", cause)
		}
	}()
	return p.Probe(ctx)
}
