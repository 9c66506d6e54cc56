package cache

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chorus-cast/chorus/services/internal/infra/metric"
)

// The layers' names in the metrics.
const (
	inProcess = "l1"
	inRedis   = "l2"
)

// Metrics holds the metrics of a cache.
type Metrics struct {
	hits, misses, errors, invalidations *prometheus.CounterVec
	loads                               *prometheus.HistogramVec
	evictions, outdatedPuts             *prometheus.CounterVec
	connected, shared                   prometheus.Gauge
	registerer                          prometheus.Registerer
}

// NewMetrics registers the metrics of a cache.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return metric.Counters(r, "chorus_cache_"+name, help, labels...)
	}
	return &Metrics{
		hits:          counter("hits_total", "Values found, by layer (l1: in the process, l2: in Redis) and kind.", "layer", "kind"),
		misses:        counter("misses_total", "Values not found, by layer and kind. What l1 misses is looked for in l2.", "layer", "kind"),
		errors:        counter("errors_total", "Answers of Redis (l2) that failed or made no sense, and loads (source) that failed.", "layer", "kind"),
		invalidations: counter("invalidations_total", "Announced changes that made values of the kind be forgotten.", "kind"),
		evictions:     counter("evictions_total", "Values that made room for others in the process.", "kind"),
		outdatedPuts:  counter("outdated_total", "Values not stored in Redis because they changed while they were read.", "kind"),
		loads: metric.Histograms(r, "chorus_cache_load_seconds", "Reads of the source, by kind. One may read many values.",
			[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 2.5, 10}, "kind"),
		connected:  metric.Gauge(r, "chorus_cache_connected", "1 while changes are announced, 0 while values are held for a second only."),
		shared:     metric.Gauge(r, "chorus_cache_shared", "1 while values are shared through Redis."),
		registerer: r,
	}
}

func (m *Metrics) hears(yes bool)     { m.connected.Set(metric.Truth(yes)) }
func (m *Metrics) shares(yes bool)    { m.shared.Set(metric.Truth(yes)) }
func (m *Metrics) failed(kind string) { m.errors.WithLabelValues(inRedis, kind).Inc() }

func (m *Metrics) invalidated(kind string) { m.invalidations.WithLabelValues(kind).Inc() }

// of returns the counters of a kind. entries and bytes return its size.
func (m *Metrics) of(kind string, entries, bytes func() float64) *counters {
	metric.Func(m.registerer, "chorus_cache_entries", "Values in the process, by kind.", "kind", kind, entries)
	metric.Func(m.registerer, "chorus_cache_bytes", "About what the values in the process take, by kind.", "kind", kind, bytes)
	return &counters{
		localHits: m.hits.WithLabelValues(inProcess, kind), localMisses: m.misses.WithLabelValues(inProcess, kind),
		sharedHits: m.hits.WithLabelValues(inRedis, kind), sharedMisses: m.misses.WithLabelValues(inRedis, kind),
		evictions: m.evictions.WithLabelValues(kind), outdatedPuts: m.outdatedPuts.WithLabelValues(kind),
		loads: m.loads.WithLabelValues(kind), errors: m.errors.WithLabelValues("source", kind),
	}
}

// counters holds the counters of a kind, so that a hit doesn't look labels up.
type counters struct {
	localHits, localMisses, sharedHits, sharedMisses prometheus.Counter
	evictions, outdatedPuts, errors                  prometheus.Counter
	loads                                            prometheus.Observer
}

func (c *counters) hit(n int) {
	if n == 1 {
		c.localHits.Inc() // the usual case
		return
	}
	c.localHits.Add(float64(n))
}

func (c *counters) loaded(took time.Duration, err error) {
	c.loads.Observe(took.Seconds())
	if err != nil {
		c.errors.Inc()
	}
}
