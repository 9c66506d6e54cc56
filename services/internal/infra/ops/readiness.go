package ops

import (
	"context"
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
