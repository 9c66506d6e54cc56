package ops

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

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
