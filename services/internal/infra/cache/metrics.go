package cache

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The layers as the metrics call them.
const (
	inProcess = "l1"
	inRedis   = "l2"
)

// Metrics counts what a cache does. A nil *Metrics counts nothing.
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
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "chorus_cache_" + name, Help: help}, labels)
	}
	m := &Metrics{
		hits:          counter("hits_total", "Values found, by layer (l1: in the process, l2: in Redis) and kind.", "layer", "kind"),
		misses:        counter("misses_total", "Values not found, by layer and kind. What l1 misses is looked for in l2.", "layer", "kind"),
		errors:        counter("errors_total", "Answers of Redis (l2) that failed or made no sense, and loads (source) that failed.", "layer", "kind"),
		invalidations: counter("invalidations_total", "Announced changes that made values of the kind be forgotten.", "kind"),
		evictions:     counter("evictions_total", "Values that made room for others in the process.", "kind"),
		outdatedPuts:  counter("outdated_total", "Values not stored in Redis because they changed while they were read.", "kind"),
		loads: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chorus_cache_load_seconds", Help: "Reads of the source, by kind. One may read many values.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 2.5, 10},
		}, []string{"kind"}),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chorus_cache_connected", Help: "1 while changes are announced, 0 while values are held for a second only.",
		}),
		shared: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chorus_cache_shared", Help: "1 while values are shared through Redis.",
		}),
		registerer: r,
	}
	r.MustRegister(m.hits, m.misses, m.errors, m.invalidations, m.evictions, m.outdatedPuts, m.loads, m.connected, m.shared)
	return m
}

// follow also tells how much a cache holds.
func (m *Metrics) follow(c *Cache) {
	if m != nil {
		m.registerer.MustRegister(newSizes(c))
	}
}

func (m *Metrics) hears(yes bool)  { m.set(yes, func() prometheus.Gauge { return m.connected }) }
func (m *Metrics) shares(yes bool) { m.set(yes, func() prometheus.Gauge { return m.shared }) }

func (m *Metrics) set(yes bool, gauge func() prometheus.Gauge) {
	switch {
	case m == nil:
	case yes:
		gauge().Set(1)
	default:
		gauge().Set(0)
	}
}

func (m *Metrics) failed(kind string) {
	if m != nil {
		m.errors.WithLabelValues(inRedis, kind).Inc()
	}
}

func (m *Metrics) invalidated(kind string) {
	if m != nil {
		m.invalidations.WithLabelValues(kind).Inc()
	}
}

func (m *Metrics) of(kind string) *counters {
	if m == nil {
		return nil
	}
	return &counters{
		localHits: m.hits.WithLabelValues(inProcess, kind), localMisses: m.misses.WithLabelValues(inProcess, kind),
		sharedHits: m.hits.WithLabelValues(inRedis, kind), sharedMisses: m.misses.WithLabelValues(inRedis, kind),
		evictions: m.evictions.WithLabelValues(kind), outdatedPuts: m.outdatedPuts.WithLabelValues(kind),
		loads: m.loads.WithLabelValues(kind), errors: m.errors.WithLabelValues("source", kind),
	}
}

// counters are those of a kind, so that no hit looks labels up. Nil counts
// nothing.
type counters struct {
	localHits, localMisses, sharedHits, sharedMisses prometheus.Counter
	evictions, outdatedPuts, errors                  prometheus.Counter
	loads                                            prometheus.Observer
}

func (c *counters) hit(n int) {
	switch {
	case c == nil:
	case n == 1:
		c.localHits.Inc() // what is done most
	default:
		c.localHits.Add(float64(n))
	}
}

func (c *counters) missed(n int) {
	if c != nil {
		c.localMisses.Add(float64(n))
	}
}

func (c *counters) evicted() {
	if c != nil {
		c.evictions.Inc()
	}
}

func (c *counters) sharedGot(hits, misses int) {
	if c != nil {
		c.sharedHits.Add(float64(hits))
		c.sharedMisses.Add(float64(misses))
	}
}

func (c *counters) loaded(took time.Duration, err error) {
	if c == nil {
		return
	}
	c.loads.Observe(took.Seconds())
	if err != nil {
		c.errors.Inc()
	}
}

func (c *counters) outdated(n int) {
	if c != nil {
		c.outdatedPuts.Add(float64(n))
	}
}

// sizes tells how much a cache holds when it is asked.
type sizes struct {
	*Cache

	entries, bytes *prometheus.Desc
}

func newSizes(c *Cache) sizes {
	return sizes{
		c, prometheus.NewDesc("chorus_cache_entries", "Values in the process, by kind.", []string{"kind"}, nil),
		prometheus.NewDesc("chorus_cache_bytes", "About what the values in the process take, by kind.", []string{"kind"}, nil),
	}
}

// Describe is for the registry.
func (s sizes) Describe(to chan<- *prometheus.Desc) {
	to <- s.entries
	to <- s.bytes
}

// Collect is for the registry.
func (s sizes) Collect(to chan<- prometheus.Metric) {
	for _, k := range s.all() {
		entries, bytes := k.sizes()
		to <- prometheus.MustNewConstMetric(s.entries, prometheus.GaugeValue, float64(entries), k.kind())
		to <- prometheus.MustNewConstMetric(s.bytes, prometheus.GaugeValue, float64(bytes), k.kind())
	}
}
